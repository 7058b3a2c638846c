/* The text and links of what is shown, transparent over the picture: to select, to copy, to follow, to be read aloud. */

const FONT = "sans-serif";
const measure = document.createElement("canvas").getContext("2d");

/** Fill a layer for boxes (as of `fit`) of pages with their {words, links}. ratio: pixels of the view per CSS pixel. */
export function fillText(layer, boxes, contents, ratio, follow) {
  const pieces = document.createDocumentFragment();
  for (const [index, box] of boxes.entries()) {
    const scale = box.scale / ratio;
    const [left, top] = [box.x / ratio, box.y / ratio];
    let before = null;
    for (const [x0, y0, x1, y1, text, block, line] of contents[index].words) {
      if (before) pieces.append(before[0] === block && before[1] === line ? " " : document.createElement("br"));
      before = [block, line];
      pieces.append(wordSpan(text, left + x0 * scale, top + y0 * scale, (x1 - x0) * scale, (y1 - y0) * scale));
    }
    if (before) pieces.append(document.createElement("br"));
    for (const { box_pt: [x0, y0, x1, y1], page, uri } of contents[index].links) {
      const link = linkTo(page, uri, follow);
      if (!link) continue;
      Object.assign(link.style, {
        left: `${left + x0 * scale}px`, top: `${top + y0 * scale}px`,
        width: `${(x1 - x0) * scale}px`, height: `${(y1 - y0) * scale}px`,
      });
      pieces.append(link);
    }
  }
  layer.replaceChildren(pieces);
}

function wordSpan(text, left, top, width, height) {
  const span = document.createElement("span");
  span.textContent = text;
  const isVertical = height > 2 * width && text.length > 1;
  const size = Math.max(1, isVertical ? width : height * 0.85);
  measure.font = `${size}px ${FONT}`; // a canvas measures without laying out the page
  const natural = measure.measureText(text).width || 1;
  const stretch = (isVertical ? height : width) / natural;
  span.style.cssText = `left:${left}px;top:${top}px;font:${size}px/${height}px ${FONT};`
    + (isVertical ? `line-height:${size}px;writing-mode:vertical-rl;transform:scaleY(${stretch})` : `transform:scaleX(${stretch})`);
  return span;
}

function linkTo(page, uri, follow) {
  const link = document.createElement("a");
  if (page) {
    link.href = "#";
    link.onclick = (event) => { event.preventDefault(); follow(page); };
    link.setAttribute("aria-label", String(page));
  } else if (/^(https?|mailto):/i.test(uri || "")) { // a document is hostile: no javascript:, no file:
    link.href = uri;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    link.setAttribute("aria-label", uri);
  } else return null;
  return link;
}
