/* The text and links of what is shown, transparent over the picture: to select, to copy, to follow, to be read aloud.

   Lines are blocks in the order of reading, and the spaces stand in them: so whatever copies or reads the page (the clipboard, a
   screen reader, "look up", "speak selection") finds the text as it is written. */

/** @import { Box, Corners, Link, TextContent } from "./types" */
/** @import { Line, LineWord } from "./text_lines.js" */

/**
 * What a layer shows. ratio: pixels of the view per CSS pixel. label: names a page to who does not see it. follow: called with the
 * page that a link leads to. address: the address of a page within the viewer.
 * @typedef {{
 *   ratio: number, label: (page: number) => string, follow: (page: number) => void, address: (page: number) => string,
 * }} Showing
 */
/** @typedef {{least: number, across: number, down: number, shown: Showing}} Placed */
/**
 * @typedef {{
 *   host: HTMLElement, number: number, content: TextContent, lines: Line[], elements: HTMLElement[], links: HTMLElement[],
 *   isWritten: boolean, placed: Placed | null,
 * }} TextPage
 */
/** @typedef {{language: string, pages: TextPage[], writing?: Promise<boolean>}} Filled */

import { coveredText, grownBoxes, languageOf, linesOf } from "./text_lines.js";

// By name: what "sans-serif" is depends on the language, which a canvas does not know.
const FONT = "Arial, Helvetica, Roboto, 'Liberation Sans', 'DejaVu Sans', 'Noto Sans'";
const UNIT = 2; // pixels of a page of its own per point: more than least sizes of letters; with 4, WebKitGTK hung when drawing
const WORDS_AT_ONCE = 80; // what a slow tablet lays out within a frame
const FRAME_MS = 100; // a hidden tab has no frames
const MEASURED = 20_000;
const FINGER_PX = 44;
const MOUSE_PX = 24;
const UPRIGHT = /[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3ffff}]/gu;

const measure = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
/** @type {Map<string, number>} a text -> its width in font sizes */
const measured = new Map();
/** @type {WeakMap<HTMLElement, Filled>} of a layer */
const filled = new WeakMap();

/** @type {Promise<unknown> | null} */
let styled = null;
let upright = 0;

/* The style of the layer comes before its first text, which would be seen without it. */
function style() {
  styled ||= new Promise((done) => {
    const href = new URL("./text.css", import.meta.url).href;
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
    link.onload = link.onerror = done;
    document.head.append(link);
  });
  return styled;
}

/**
 * Fill a layer for boxes (as of `fit`, after the pages are turned) of pages. Gives true when all is there, and false if the layer was
 * filled anew before.
 * @param {HTMLElement} layer
 * @param {Box[]} boxes
 * @param {TextContent[]} contents
 * @param {Omit<Showing, "address"> & {
 *   quartersOf?: (page: number) => number, language?: string, address?: Showing["address"],
 * }} options quartersOf: by how many right angles a page is turned clockwise; language: of the text, "" if it is not known
 * @returns {Promise<boolean>}
 */
export async function fillText(layer, boxes, contents, { ratio, quartersOf = () => 0, language = "", label, follow, address = besides }) {
  const before = filled.get(layer);
  const isSame = before && before.language === language && before.pages.length === boxes.length
    && before.pages.every((page, index) => page.content === contents[index] && page.number === boxes[index].page && page.host.isConnected);
  /** @type {Filled} */
  const state = isSame ? before : { language, pages: boxes.map((box, index) => makePage(box.page, contents[index], language)) };
  filled.set(layer, state);
  layer.classList.add("text-layer");
  const shown = { ratio, label, follow, address };
  for (const [index, page] of state.pages.entries()) place(page, boxes[index], quartersOf(page.number) % 4, shown);
  if (!isSame) {
    layer.replaceChildren();
    await style();
    if (filled.get(layer) !== state) return false;
    layer.append(...state.pages.map((page) => page.host));
    state.writing = write(state.pages, () => filled.get(layer) === state);
  }
  if (!state.writing) await style();
  return state.writing ?? false;
}

/**
 * The pages of a layer whose lines are all there: `elements` are those of `lines`, one for each.
 * @param {HTMLElement} layer
 * @returns {Pick<TextPage, "number" | "host" | "lines" | "elements">[]}
 */
export const writtenPages = (layer) => (filled.get(layer)?.pages || []).filter((page) => page.isWritten && page.host.isConnected);

/** @param {number} number @param {TextContent} content @param {string} language @returns {TextPage} */
function makePage(number, content, language) {
  const host = document.createElement("section");
  host.className = "page";
  host.setAttribute("role", "group");
  const spoken = language || languageOf(content.words);
  if (spoken) host.lang = spoken;
  return { host, number, content, lines: [], elements: [], links: [], isWritten: false, placed: null };
}

/** Put a page over its picture. @param {TextPage} page @param {Box} box @param {number} turn @param {Showing} shown */
function place(page, box, turn, shown) {
  const { host } = page;
  const { ratio, label } = shown;
  const isTurned = turn % 2 === 1;
  const [width_pt, height_pt] = [box.width / box.scale, box.height / box.scale];
  const scale = box.scale / ratio / UNIT;
  const [width, height] = [box.width / ratio, box.height / ratio];
  const [x, y] = [box.x / ratio + (turn === 1 || turn === 2 ? width : 0), box.y / ratio + (turn > 1 ? height : 0)];
  const matrix = [[1, 0, 0, 1], [0, 1, -1, 0], [-1, 0, 0, -1], [0, -1, 1, 0]][turn].map((one) => one * scale);
  host.style.transform = `matrix(${matrix.join(",")},${x},${y})`;
  const [across, down] = isTurned ? [height_pt, width_pt] : [width_pt, height_pt];
  host.style.width = `${across * UNIT}px`;
  host.style.height = `${down * UNIT}px`;
  host.setAttribute("aria-label", label(page.number));
  const least_px = matchMedia("(any-pointer: coarse)").matches ? FINGER_PX : MOUSE_PX;
  page.placed = { least: least_px * ratio / box.scale, across, down, shown };
  if (page.isWritten) appendLinks(page);
}

/** Links stand where their text is read; a line that is nothing but a link is read as the link. @param {TextPage} page */
function appendLinks(page) {
  const { host, content, lines, elements, placed } = page;
  if (!placed) return;
  for (const element of page.links) element.remove();
  page.links = [];
  const grown = grownBoxes(content.links.map((link) => link.box_pt), placed.least, placed.across, placed.down);
  /** @type {Map<number, HTMLElement>} */
  const last = new Map(); // several links of a line follow one another
  for (const [index, link] of content.links.entries()) {
    const covered = coveredText(lines, link.box_pt);
    const element = makeLink(link, grown[index], covered.map((one) => one.text).join(" "), placed.shown);
    if (!element) continue;
    page.links.push(element);
    for (const one of covered) if (one.isWhole) elements[one.index].setAttribute("aria-hidden", "true");
    if (!covered.length) { host.append(element); continue; }
    const line = covered[0].index;
    (last.get(line) || elements[line]).after(element);
    last.set(line, element);
  }
}

/** Lines by the handful: a page of thousands of words holds up no frame. @param {TextPage[]} pages @param {() => boolean} isWanted */
async function write(pages, isWanted) {
  let words = 0;
  for (const page of pages) {
    page.lines = linesOf(page.content.words);
    await nextFrame();
    if (!isWanted()) return false;
    let pieces = document.createDocumentFragment();
    for (const line of page.lines) {
      const element = makeLine(line);
      page.elements.push(element);
      pieces.append(element);
      words += line.words.length;
      if (words < WORDS_AT_ONCE) continue;
      words = 0;
      page.host.append(pieces);
      pieces = document.createDocumentFragment();
      await nextFrame();
      if (!isWanted()) return false;
    }
    page.host.append(pieces);
    page.isWritten = true;
    appendLinks(page);
  }
  return true;
}

const nextFrame = () => new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); setTimeout(done, FRAME_MS); });

/** @param {Line} line */
function makeLine(line) {
  const element = document.createElement("span");
  const isDown = line.isVertical;
  const size = Math.max(1, (isDown ? line.x1 - line.x0 : line.y1 - line.y0) * UNIT);
  const font = Math.max(1, isDown ? size : size * 0.85);
  const length = (isDown ? line.y1 - line.y0 : line.x1 - line.x0) * UNIT;
  element.className = `line${isDown ? " down" : ""}${line.isLoose ? " loose" : ""}`;
  element.style.cssText = `transform:translate(${rounded(line.x0 * UNIT)}px,${rounded(line.y0 * UNIT)}px);`
    + `width:${rounded(isDown ? size : length)}px;height:${rounded(isDown ? length : size)}px;`
    + `margin-bottom:${-rounded(isDown ? length : size)}px;font:${rounded(font)}px/${rounded(size)}px ${FONT}`;
  if (line.isLoose) element.append(...line.words.map((word) => makeLooseWord(word, line, font)));
  else if (line.words.length === 1) {
    element.textContent = line.words[0].text;
    element.style.letterSpacing = spacing(line.words[0].text, length, font, isDown);
  } else fillLine(element, line, font);
  return element;
}

/**
 * Words as wide as they are drawn, each with what is between it and the next one.
 * @param {HTMLElement} element
 * @param {Line} line
 * @param {number} font
 */
function fillLine(element, { words, isVertical }, font) {
  /** @param {LineWord} word */
  const starts = (word) => (isVertical ? word.y0 : word.x0) * UNIT;
  /** @param {LineWord} word */
  const ends = (word) => (isVertical ? word.y1 : word.x1) * UNIT;
  const origin = starts(words[0]);
  let at = 0; // where the line has come to: what rounding adds to a word, the next one makes good
  for (const [index, word] of words.entries()) {
    const next = words[index + 1];
    const isInside = next && (word.after === "" || word.after === " ");
    const end = (isInside ? starts(next) : ends(word)) - origin;
    const span = document.createElement("span");
    const text = isInside ? word.text + word.after : word.text;
    const natural = (isVertical ? heightOf(text) : widthOf(text)) * font;
    const extra = stepped((end - at - natural) / [...text].length);
    span.textContent = text;
    span.style.letterSpacing = `${extra}px`;
    element.append(span);
    at += natural + extra * [...text].length;
    if (!next || isInside) continue;
    const gap = Object.assign(document.createElement("span"), { className: "gap", textContent: word.after });
    const length = Math.max(0, starts(next) - origin - at);
    gap.style[isVertical ? "height" : "width"] = `${rounded(length)}px`;
    element.append(gap);
    at += length;
  }
}

/** @param {LineWord} word @param {Line} line @param {number} font */
function makeLooseWord(word, line, font) {
  const span = document.createElement("span");
  const isDown = line.isVertical;
  const length = (isDown ? word.y1 - word.y0 : word.x1 - word.x0) * UNIT;
  const stretch = length / Math.max(1, (isDown ? heightOf(word.text) : widthOf(word.text)) * font);
  span.textContent = word.text + word.after;
  span.dir = "auto";
  span.style.cssText = `left:${rounded((word.x0 - line.x0) * UNIT)}px;top:${rounded((word.y0 - line.y0) * UNIT)}px;`
    + `transform:${isDown ? "scaleY" : "scaleX"}(${stretch.toFixed(4)})`;
  return span;
}

/** Each spacing is a font of its own to the browser: few of them are laid out faster. @param {number} number */
const stepped = (number) => Math.round(number * 4) / 4;
/** @param {number} number */
const rounded = (number) => Math.round(number * 100) / 100;

/** @param {string} text @param {number} length @param {number} font @param {boolean} isDown */
function spacing(text, length, font, isDown) {
  const natural = isDown ? heightOf(text) : widthOf(text);
  return `${rounded((length - natural * font) / Math.max(1, [...text].length))}px`;
}

/** Of a text set downwards, in font sizes: some characters stand upright, the others lie on their side. @param {string} text */
function heightOf(text) {
  const lying = text.replace(UPRIGHT, "");
  return ([...text].length - [...lying].length) * uprightHeight() + (lying ? widthOf(lying) : 0);
}

/* One, but for a browser without a Japanese font. */
function uprightHeight() {
  if (upright) return upright;
  const probe = Object.assign(document.createElement("div"), { textContent: "あ" });
  probe.style.cssText = `position:absolute;visibility:hidden;writing-mode:vertical-rl;font:100px ${FONT}`;
  document.body.append(probe);
  upright = probe.getBoundingClientRect().height / 100 || 1;
  probe.remove();
  return upright;
}

/** In font sizes, by a canvas, which measures without laying out the page. @param {string} text */
function widthOf(text) {
  let width = measured.get(text);
  if (width === undefined) {
    measure.font = `100px ${FONT}`;
    width = measure.measureText(text).width / 100;
    if (measured.size >= MEASURED) measured.clear();
    measured.set(text, width);
  }
  return width;
}

/**
 * @param {Link} link
 * @param {Corners} grown
 * @param {string} text
 * @param {Showing} shown
 */
function makeLink({ page, uri, box_pt }, [x0, y0, x1, y1], text, { label, follow, address }) {
  const link = document.createElement("a");
  if (page) {
    link.href = address(page);
    link.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // in a tab of its own
      event.preventDefault();
      follow(page);
    };
    link.setAttribute("aria-label", text || label(page));
  } else if (uri && /^(https?|mailto):/i.test(uri)) { // a document is hostile: no javascript:, no file:
    link.href = uri;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    link.setAttribute("aria-label", text || uri);
    link.title = uri;
  } else return null;
  link.draggable = false;
  const shown = document.createElement("span"); // where the document has it: the link itself may be grown
  /** @type {(element: HTMLElement, left: number, top: number, right: number, bottom: number) => void} */
  const put = (element, left, top, right, bottom) => {
    Object.assign(element.style, {
      left: `${rounded(left * UNIT)}px`, top: `${rounded(top * UNIT)}px`,
      width: `${rounded((right - left) * UNIT)}px`, height: `${rounded((bottom - top) * UNIT)}px`,
    });
  };
  put(link, x0, y0, x1, y1);
  put(shown, box_pt[0] - x0, box_pt[1] - y0, box_pt[2] - x0, box_pt[3] - y0);
  link.append(shown);
  return link;
}

/** Another page of what the address names. @param {number} page */
function besides(page) {
  const [shown] = /^#[^/&]*/.exec(location.hash) || ["#"];
  return `${shown}/${page}`;
}
