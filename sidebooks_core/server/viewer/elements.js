/* Small helps for building screens. */

import { ICONS } from "./icons.js";
import { fault, t } from "./words.js";

/** @typedef {string | number | boolean | null | undefined} Attribute */
/**
 * @typedef {{[K in keyof HTMLElementEventMap as `on${K}`]?: ((event: HTMLElementEventMap[K]) => unknown) | null | false}} Listening
 */
/**
 * @typedef {"alt" | "autocapitalize" | "autocomplete" | "checked" | "class" | "datetime" | "decoding" | "dir" | "disabled" | "download"
 *   | "enterkeyhint" | "for" | "height" | "hidden" | "href" | "id" | "inputmode" | "lang" | "list" | "loading" | "max" | "maxlength"
 *   | "min" | "minlength" | "multiple" | "name" | "open"
 *   | "accept" | "pattern" | "placeholder" | "readonly" | "rel" | "required" | "role" | "rows"
 *   | "selected" | "spellcheck" | "src" | "step" | "style" | "tabindex" | "target" | "title" | "type" | "value" | "width"} AttributeName
 */
/** @typedef {Listening & {[name in AttributeName | `aria-${string}` | `data-${string}`]?: Attribute}} Given */
/** @typedef {string | Node | null | undefined | false} Child */
/** @typedef {Child | readonly Child[]} Children */
/** @typedef {keyof typeof ICONS} IconName */
/** @typedef {(error: import("./requests.js").Problem) => string} Explain */

/** @param {Child} one @returns {one is string | Node} */
const isShown = (one) => one !== null && one !== undefined && one !== false;

/**
 * An element. `given`: attributes; what begins with "on" listens; null and false are left out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Given} given
 * @param {...Children} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (name === "value") Object.assign(made, { value });
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(.../** @type {Child[]} */ (children.flat()).filter(isShown));
  return made;
}

/**
 * An element of index.html, or of what is made at the start.
 * @template {string} I
 * @param {I} id
 * @returns {I extends keyof import("./types").Named ? import("./types").Named[I] : HTMLElement}
 */
export function need(id) { return /** @type {any} */ (document.getElementById(id)); }

/** @param {IconName} name */
export function icon(name) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("viewBox", "0 0 24 24");
  made.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  made.append(path);
  return made;
}

/**
 * The picture of a page, in a frame of its shape; a sign of what it is if there is none, or if it does not come.
 * @param {string | null | undefined | false} address
 * @param {IconName} sign
 */
export function cover(address, sign = "paper") {
  const made = h("span", { class: "cover" });
  const plain = () => { made.replaceChildren(icon(sign)); made.dataset.plain = ""; };
  const here = () => { made.dataset.here = ""; };
  if (address) made.append(h("img", { src: address, alt: "", loading: "lazy", decoding: "async", onerror: plain, onload: here }));
  else plain();
  return made;
}

/**
 * A button with an icon and a word.
 * @param {IconName | null | undefined | ""} image
 * @param {string} text
 * @param {((event: MouseEvent) => unknown) | null} onclick
 * @param {Given} given
 */
export function button(image, text, onclick, given = {}) {
  return h("button", { type: "button", onclick, ...given }, image && icon(image), h("span", {}, text));
}

let names = 0;

/**
 * A field to search or to filter with; its name stands in it.
 * @param {string} name
 * @param {Given} given
 */
export function searchField(name, given) {
  return h("input", { type: "search", autocomplete: "off", "aria-label": name, placeholder: name, ...given });
}

/** @typedef {HTMLParagraphElement & {input: HTMLInputElement}} Field it may be a select or a textarea as well */

/**
 * A label with its input: `field.input` is the input.
 * @param {string} text
 * @param {Given & {options?: readonly (readonly [value: string, shown: string])[]}} given
 * @returns {Field}
 */
export function field(text, { options, ...given } = {}) {
  names += 1;
  const id = `field-${names}`;
  const isText = !options && !given.rows && !given.type;
  const said = given.required && isText ? { pattern: ".*\\S.*" } : {}; // blanks say nothing
  const made = h(options ? "select" : given.rows ? "textarea" : "input", { id, ...said, ...given });
  const input = /** @type {HTMLInputElement} */ (made); // of the others, only what they share with it is used
  for (const [value, shown] of options || []) input.append(h("option", { value }, shown));
  if (given.value !== undefined) Object.assign(input, { value: given.value });
  return Object.assign(h("p", { class: "field" }, h("label", { for: id }, text), input), { input });
}

/**
 * A field for a password, with a box that shows it.
 * @param {string} text
 * @param {string} autocomplete
 */
export function passwordField(text, autocomplete) {
  const made = field(text, { type: "password", autocomplete, required: true, spellcheck: "false", autocapitalize: "off" });
  const box = h("input", { type: "checkbox", onchange: () => { made.input.type = box.checked ? "text" : "password"; } });
  made.append(h("label", { class: "check" }, box, t("show_password")));
  return made;
}

/**
 * A form. `send` may wait; its error is shown in the form, in the words that `explain` has for it.
 * @param {Children} children
 * @param {string} submit
 * @param {() => unknown} send
 * @param {Explain} explain
 */
export function form(children, submit, send, explain = fault) {
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const go = h("button", { type: "submit", class: "main" }, submit);
  const made = h("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      go.disabled = true;
      error.hidden = true;
      try {
        await send();
        go.disabled = false;
      } catch (problem) {
        await tellIn(error, go, /** @type {import("./requests.js").Problem} */ (problem), explain);
      }
    },
  }, children, error, h("p", { class: "buttons" }, go));
  return made;
}

/**
 * A form that has to wait says how long, and can be sent again after that.
 * @param {HTMLElement} error
 * @param {HTMLButtonElement} go
 * @param {import("./requests.js").Problem} problem
 * @param {Explain} explain
 */
async function tellIn(error, go, problem, explain) {
  error.hidden = false;
  if (problem.status === 429) {
    for (let left = problem.retry_after_s || 5; left > 0 && error.isConnected; left -= 1) {
      error.textContent = t("wait", { n: left });
      await new Promise((done) => { setTimeout(done, 1000); });
    }
    error.hidden = true;
  } else error.textContent = explain(problem);
  go.disabled = false;
}

const FOCUSED = "a[href], button:not(:disabled), input:not([hidden]), select, textarea, summary";

/**
 * A dialog of a browser that knows none (Safari before 15.4): it lies over the page, keeps the focus, and Escape closes it.
 * @param {HTMLDialogElement} made
 */
function open(made) {
  if (made.showModal) { made.showModal(); return; }
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  /** @returns {HTMLElement | null} */
  const first = () => made.querySelector(FOCUSED);
  /** @param {KeyboardEvent} event */
  const onkey = (event) => {
    if (event.key === "Escape") { event.stopPropagation(); made.close(); }
    else if (event.key === "Tab" && event.shiftKey && document.activeElement === first()) event.preventDefault();
  };
  made.append(h("span", { tabindex: "0", onfocus: () => first()?.focus() })); // after the last one
  const curtain = h("div", { class: "curtain", onclick: () => made.close() });
  made.before(curtain);
  made.classList.add("own");
  for (const [name, value] of [["open", ""], ["role", "dialog"], ["aria-modal", "true"]]) made.setAttribute(name, value);
  made.addEventListener("keydown", onkey);
  made.close = () => {
    curtain.remove();
    made.removeAttribute("open");
    made.dispatchEvent(new Event("close"));
    before?.focus?.();
  };
  (/** @type {HTMLElement | null} */ (made.querySelector("[autofocus]")) || first())?.focus();
}

/**
 * Show a dialog: `fill(close)` gives what is in it. Returns a promise of what `close` was called with, or undefined.
 * @template [T=boolean]
 * @param {string} title
 * @param {(close: (value?: T) => void) => Children} fill
 * @param {Given} given
 * @returns {Promise<T | undefined>}
 */
export function dialog(title, fill, given = {}) {
  return new Promise((done) => {
    names += 1;
    const id = `dialog-${names}`;
    /** @type {T | undefined} */
    let result;
    /** @param {T} [value] */
    const close = (value) => { result = value; made.close(); };
    const leave = () => made.close(); // the back button
    const onclose = () => { removeEventListener("hashchange", leave); made.remove(); done(result); };
    const made = h("dialog", { ...given, "aria-labelledby": id, onclose });
    addEventListener("hashchange", leave);
    made.append(
      h("div", { class: "head" }, h("h2", { id }, title), button("close", t("close"), () => close())),
      .../** @type {Child[]} */ ([fill(close)].flat()).filter(isShown),
    );
    made.addEventListener("click", (event) => { if (event.target === made) close(); });
    document.body.append(made);
    open(made);
  });
}

/**
 * Ask whether something shall be done.
 * @param {string} title
 * @param {string} text
 * @param {string} go
 */
export function sure(title, text, go, isGrave = false) {
  return dialog(title, (close) => [
    h("p", {}, text),
    h("p", { class: "buttons" }, button(null, t("cancel"), () => close(false)),
      button(null, go, () => close(true), { class: isGrave ? "grave" : "main" })),
  ]);
}

/**
 * A dialog with one field: `send(text)` may wait.
 * @param {string} title
 * @param {string} label
 * @param {string} value
 * @param {(text: string) => unknown} send
 * @param {Explain} explain
 */
export function askFor(title, label, value, send, explain = fault) {
  return dialog(title, (close) => {
    const one = field(label, { value, required: true, maxlength: 500, autocomplete: "off" });
    return form([one], t("save"), async () => { await send(one.input.value.trim()); close(true); }, explain);
  });
}

/**
 * Let an element hold these children, in this order, and leave alone those that are in their place: they may have the focus.
 * @param {Element} parent
 * @param {Element[]} children
 */
export function reconcile(parent, children) {
  const wanted = new Set(children);
  for (const one of [...parent.children]) if (!wanted.has(one)) one.remove();
  for (const [index, one] of children.entries()) {
    if (parent.children[index] !== one) parent.insertBefore(one, parent.children[index] || null);
  }
}
