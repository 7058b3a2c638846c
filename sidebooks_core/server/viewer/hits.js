/* The marks on what a search has found. */

const HIT = "rgb(255, 221, 70)";
const HIT_AT_NIGHT = "rgb(211, 152, 14)"; // the night's filter makes a dark amber of it, under light letters
const CURRENT_HIT = "rgb(255, 140, 40)";

/** The layer of a reader that marks its hits, and one of them as the present one. It darkens the paper and never the ink. */
export function hitLayer(reader) {
  return (context, { page, box }) => {
    const { hits, hit: current } = reader;
    if (!hits.length) return;
    const isNight = document.documentElement.hasAttribute("data-night");
    context.globalCompositeOperation = "multiply";
    for (const hit of hits) {
      if (hit.page !== page) continue;
      context.fillStyle = hit === current ? CURRENT_HIT : isNight ? HIT_AT_NIGHT : HIT;
      for (const [x0, y0, x1, y1] of hit.boxes_pt) {
        context.fillRect(box.x + x0 * box.scale - 1, box.y + y0 * box.scale - 1, (x1 - x0) * box.scale + 2, (y1 - y0) * box.scale + 2);
      }
    }
    context.globalCompositeOperation = "source-over";
  };
}
