/* Shapes that several modules of the viewer share. Nothing of this is served. */

/** What index.html and bars.js have, by id, where it is more than an HTMLElement. */
export interface Named {
  canvas: HTMLCanvasElement;
  strip: HTMLCanvasElement;
  position: HTMLInputElement;
  back: HTMLButtonElement;
  next: HTMLButtonElement;
  previous: HTMLButtonElement;
  number: HTMLButtonElement;
  "bookmarks-button": HTMLButtonElement;
}
