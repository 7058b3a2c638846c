/* In which size the images of pages are asked for: one that many pages and all tablets of a kind share, so that a page is drawn once
   for all of them. Pure, but for what it asks of the screen. */

/** @import { Box, Mode, PageSize, Seen, View } from "./types" */

import { MAX_IMAGE_PX } from "./layout.js";

const SAME_PT = 0.5;
const MARGIN_PX = 8; // of the screen, around the page; index.html knows it, too
const NARROW_PX = 600;
const TALLEST_PX = 8192; // of a page as wide as the view; longer strips come in tiles

/** What a stage has room for. @param {HTMLElement} stage @returns {Seen} */
export function seenOn({ clientWidth, clientHeight }) {
  const across = Math.max(1, clientWidth);
  const down = Math.max(1, clientHeight);
  const ratio = Math.min(devicePixelRatio || 1, 3, Math.sqrt(MAX_IMAGE_PX / (across * down)));
  const margin = innerWidth < NARROW_PX ? 0 : Math.round(MARGIN_PX * ratio);
  return { width: Math.round(across * ratio), height: Math.round(down * ratio), ratio, margin };
}

/** A box that has no more pixels than old tablets take. @param {number} width @param {number} height @returns {View} */
export function limited(width, height) {
  const share = Math.min(1, Math.sqrt(MAX_IMAGE_PX / (width * height)));
  return { width: Math.max(1, Math.floor(width * share)), height: Math.max(1, Math.floor(height * share)) };
}

/**
 * [width, height] of the box that a page's image is to fit into.
 * @param {Box} one where the page lies if the whole spread is shown
 * @param {PageSize[]} sizes the pages of the spread, upright
 * @param {View} inner the view without its margins
 * @param {number} quarters
 * @param {Mode} mode
 * @param {number} zoom of mode "width", else 1
 * @returns {[number, number]}
 */
export function askedSize(one, sizes, inner, quarters, mode, zoom) {
  /** @type {(width: number, height: number) => [number, number]} */
  const upright = (width, height) => (quarters % 2 ? [height, width] : [width, height]);
  if (mode === "width" && zoom > 1) {
    const across = Math.round(one.width * zoom);
    return upright(across, Math.max(1, Math.min(TALLEST_PX, Math.floor(MAX_IMAGE_PX / across))));
  }
  const isPair = sizes.length === 2;
  const areAlike = isPair && Math.abs(sizes[0].width_pt - sizes[1].width_pt) < SAME_PT
    && Math.abs(sizes[0].height_pt - sizes[1].height_pt) < SAME_PT;
  const box = isPair && !areAlike ? one : { width: isPair ? Math.floor(inner.width / 2) : inner.width, height: inner.height };
  const { width, height } = limited(box.width, box.height);
  return upright(width, height);
}

/**
 * Whether the image that fits into a box is as large as the page is shown.
 * @param {[width: number, height: number]} box
 * @param {PageSize} page
 * @param {View} shown
 * @param {number} quarters
 */
export function isEnough([width, height], page, shown, quarters) {
  const upright = quarters % 2 ? { width_pt: page.height_pt, height_pt: page.width_pt } : page;
  const scale = Math.min(width / upright.width_pt, height / upright.height_pt);
  return scale * page.width_pt >= shown.width - 1;
}
