/* What the shelf has to say beside what it shows: a notice that can be closed, and goes by itself. */

import { button, h, icon } from "./elements.js";
import { t } from "./words.js";

const STAYS_MS = 10_000;

/** Returns tell(text): shows it, or hides what is there if there is no text. */
export function makeNotices() {
  const text = h("span", { class: "grow" });
  let close = button("close", "", null);
  const box = h("div", { class: "shelf-notice", role: "alert", hidden: true }, icon("info"), text, close);
  document.body.append(box);
  let timer = 0;
  const hide = () => { clearTimeout(timer); box.hidden = true; };
  const wait = () => { clearTimeout(timer); timer = setTimeout(hide, STAYS_MS); };
  for (const one of ["pointerenter", "focusin"]) box.addEventListener(one, () => clearTimeout(timer));
  for (const one of ["pointerleave", "focusout"]) box.addEventListener(one, wait);
  addEventListener("hashchange", hide);
  /** @param {string} [told] */
  return (told) => {
    if (!told) { hide(); return; }
    const now = button("close", t("close"), hide);
    close.replaceWith(now);
    close = now;
    text.textContent = told;
    box.hidden = false;
    wait();
  };
}
