"""The viewers under test: the page that shows each, and how a probe inside it learns what was painted.

Every viewer tells `probe.seen(page, what)` in the task that painted it; the time is taken in the first task after that, which a
browser runs when the frame is on its way to the screen. In doubt the peers gain: pdf.js and OpenSeadragon may be counted a
frame too early, since they tell when their canvas is drawn, not when it is shown.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

PDFJS = "pdfjs-dist@5.7.284"
OPENSEADRAGON = "openseadragon@6.1.1"

PROBE = """
window.probe = { log: [], key: null, waiting: null, jump: null, target: 1, keys: {} };
probe.seen = (page, what) => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => { probe.log.push([page, what, performance.now()]); probe.check(); };
  channel.port2.postMessage(0);
};
probe.check = () => {
  if (!probe.waiting) return;
  const [page, done] = probe.waiting;
  const sharp = probe.log.find(one => one[0] === page && one[1] === 'sharp');
  if (!sharp) return;
  probe.waiting = null;
  const first = probe.log.find(one => one[0] === page);
  done({ key_ms: probe.key, first_ms: first[2], sharp_ms: sharp[2] });
};
probe.when = (page, most_ms) => new Promise(done => {
  probe.waiting = [page, done];
  setTimeout(() => done(null), most_ms);
  probe.check();
});
probe.reset = target => { probe.log = []; probe.key = null; probe.target = target; };
addEventListener('keydown', event => {
  if (probe.key === null) probe.key = event.timeStamp;
  if (event.key === 'F2') probe.jump(probe.target);
  else probe.keys[event.key]?.();
}, true);
"""

OURS = """
const images = new MutationObserver(() => requestAnimationFrame(() => {
  const image = document.getElementById('early');
  if (image) probe.seen(Number(image.dataset.page), image.dataset.shown);
}));
images.observe(document, { childList: true, subtree: true });
const tell = new MutationObserver(() => {
  images.disconnect();
  const { page, shown } = document.getElementById('canvas').dataset;
  if (shown !== 'paper') probe.seen(Number(page), shown);
});
addEventListener('DOMContentLoaded', () => {
  const attributeFilter = ['data-page', 'data-turn', 'data-shown'];
  tell.observe(document.getElementById('canvas'), { attributeFilter });
  probe.jump = page => {
    const position = document.getElementById('position');
    position.value = page;
    position.dispatchEvent(new Event('input'));
  };
});
"""

PDFJS_PAGE = """<!doctype html><meta charset="utf-8">
<link rel="stylesheet" href="/pdfjs-dist/web/pdf_viewer.css">
<style>body { margin: 0; background: #888 } #container { position: absolute; inset: 0; overflow: auto }</style>
<div id="container"><div id="viewer" class="pdfViewer"></div></div>
<script type="module">
import * as pdfjsLib from "/pdfjs-dist/build/pdf.min.mjs";
globalThis.pdfjsLib = pdfjsLib;
const { EventBus, PDFLinkService, PDFViewer } = await import("/pdfjs-dist/web/pdf_viewer.mjs");
pdfjsLib.GlobalWorkerOptions.workerSrc = "/pdfjs-dist/build/pdf.worker.min.mjs";
const eventBus = new EventBus();
const linkService = new PDFLinkService({ eventBus });
const viewer = new PDFViewer({
  container: document.getElementById("container"), eventBus, linkService, imageResourcesPath: "/pdfjs-dist/web/images/",
});
linkService.setViewer(viewer);
eventBus.on("pagesinit", () => { viewer.currentScaleValue = "page-fit"; });
eventBus.on("pagerendered", ({ pageNumber, error }) => { if (!error) probe.seen(pageNumber, "sharp"); });
const FINISHED = 3;
probe.jump = page => {
  viewer.currentPageNumber = page;
  if (viewer.getPageView(page - 1).renderingState === FINISHED) requestAnimationFrame(() => probe.seen(page, "sharp"));
};
probe.keys = {
  ArrowRight: () => probe.jump(viewer.currentPageNumber + 1), ArrowLeft: () => probe.jump(viewer.currentPageNumber - 1),
};
const pdf = await pdfjsLib.getDocument({
  url: ADDRESS, cMapUrl: "/pdfjs-dist/cmaps/", cMapPacked: true, standardFontDataUrl: "/pdfjs-dist/standard_fonts/",
  wasmUrl: "/pdfjs-dist/wasm/", iccUrl: "/pdfjs-dist/iccs/", enableXfa: true,
}).promise;
viewer.setDocument(pdf);
linkService.setDocument(pdf, null);
</script>"""

OPENSEADRAGON_PAGE = """<!doctype html><meta charset="utf-8">
<style>body { margin: 0; background: #888 } #viewer { position: absolute; inset: 0 }</style>
<div id="viewer"></div><script src="/openseadragon/build/openseadragon/openseadragon.min.js"></script>
<script>
const viewer = OpenSeadragon({
  id: "viewer", tileSources: SOURCES, sequenceMode: true, showNavigationControl: false, showSequenceControl: false,
  crossOriginPolicy: "Anonymous", immediateRender: true, drawer: "canvas", maxTilesPerFrame: 3,
});
viewer.addHandler("tiled-image-drawn", ({ tiledImage, tiles }) => {
  if (tiles.length) probe.seen(viewer.currentPage() + 1, tiledImage.getFullyLoaded() ? "sharp" : "coarse");
});
probe.jump = page => viewer.goToPage(page - 1);
probe.keys = {
  ArrowRight: () => viewer.goToPage(viewer.currentPage() + 1), ArrowLeft: () => viewer.goToPage(viewer.currentPage() - 1),
};
</script>"""


@dataclass(frozen=True, slots=True)
class Viewer:
    """A viewer, and what it is fed with."""

    name: str
    is_ours: bool
    """Served by our server itself; the others come from a server of their own, as on a web site."""
    scripts: tuple[str, ...]
    """Run in its page before anything else."""
    opens_alone: bool = True
    """Its first page can be compared: it is given nothing but the document's address."""

    def page(self, document: str, images: list[object]) -> str:
        """The page that shows it. document: address of the file; images: info.json of every page."""
        if self.name.startswith("pdf.js"):
            return PDFJS_PAGE.replace("ADDRESS", json.dumps(document))
        return OPENSEADRAGON_PAGE.replace("SOURCES", json.dumps(images))


VIEWERS = (
    Viewer("sidebooks", True, (PROBE, OURS)),
    # As its example "components/simpleviewer" sets it up, with what its documentation says to add for fonts and images.
    Viewer("pdf.js 5.7", False, (PROBE,)),
    # A sequence of images as its documentation shows; descriptions inline, so that it need not fetch one for each turn; drawn
    # on a canvas, since WebGL without a graphics processor takes half a second for a frame; three tiles a frame, as it says
    # for large screens and low frame rates.
    Viewer("OpenSeadragon 6.1", False, (PROBE,), opens_alone=False),
)
