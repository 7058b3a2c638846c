/* Small helps for building the screens of the shelf. */

import { fault, t } from "./words.js";

const ICONS = {
  folder: "M3 6h6l2 2h10v11H3z", paper: "M6 3h9l4 4v14H6zM14 3v5h5", plus: "M12 5v14M5 12h14", search: "M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12M16 16l5 5",
  lock: "M6 11h12v9H6zM8 11V8a4 4 0 0 1 8 0v3", warning: "M12 4l9 16H3zM12 10v5M12 17v1", clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 7v5l3 3",
  people: "M9 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8M2 20a7 7 0 0 1 14 0M16 4a4 4 0 0 1 0 8M18 14a7 7 0 0 1 4 6", person: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8M4 20a8 8 0 0 1 16 0",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1", more: "M5 12h.01M12 12h.01M19 12h.01",
  up: "M12 19V5M6 11l6-6 6 6", down: "M12 5v14M6 13l6 6 6-6", close: "M6 6l12 12M18 6L6 18", replace: "M4 9h13l-4-4M20 15H7l4 4",
  pen: "M4 20l1-5L16 4l4 4L9 19z", eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7-10-7-10-7M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6",
  withdraw: "M4 12h16M4 12a8 8 0 1 0 16 0 8 8 0 0 0-16 0", restore: "M4 12a8 8 0 1 0 3-6M4 4v4h4", bin: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13", download: "M12 4v12M7 11l5 5 5-5M5 20h14",
  out: "M14 4H5v16h9M10 12h11M17 8l4 4-4 4", moon: "M20 14A8 8 0 1 1 10 4a6 6 0 0 0 10 10", list: "M4 6h16M4 12h16M4 18h16", done: "M5 13l5 5L20 7",
  meeting: "M4 6h16v14H4zM4 10h16M8 3v4M16 3v4", into: "M3 6h6l2 2h10v11H3zM12 11v5M9 13l3 3 3-3", home: "M4 11l8-7 8 7M6 10v10h12V10", book: "M12 6c-2-2-6-2-9-1v14c3-1 7-1 9 1 2-2 6-2 9-1V5c-3-1-7-1-9 1M12 6v14",
  next: "M9 5l7 7-7 7", order: "M4 7h10M4 12h7M4 17h4M18 6v12M15 15l3 3 3-3", info: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 11v6M12 7v1", compare: "M4 4h6v16H4zM14 4h6v16h-6zM10 12h4",
};

/** An element. `given`: attributes; what begins with "on" listens; null and false are left out. */
export function h(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "value") made.value = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((one) => one !== null && one !== undefined && one !== false));
  return made;
}

export function icon(name) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("viewBox", "0 0 24 24");
  made.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  made.append(path);
  return made;
}

/** The picture of a page, in a frame of its shape; a sign of what it is if there is none, or if it does not come. */
export function cover(address, sign = "paper") {
  const made = h("span", { class: "cover" });
  const plain = () => { made.replaceChildren(icon(sign)); made.dataset.plain = ""; };
  if (address) made.append(h("img", { src: address, alt: "", loading: "lazy", decoding: "async", onerror: plain, onload: () => { made.dataset.here = ""; } }));
  else plain();
  return made;
}

/** A button with an icon and a word. */
export function button(image, text, onclick, given = {}) {
  return h("button", { type: "button", onclick, ...given }, image && icon(image), h("span", {}, text));
}

let names = 0;

/** A field to search or to filter with; its name stands in it. */
export function searchField(name, given) {
  return h("input", { type: "search", autocomplete: "off", "aria-label": name, placeholder: name, ...given });
}

/** A label with its input: `field.input` is the input. */
export function field(text, given = {}) {
  names += 1;
  const id = `field-${names}`;
  const input = h(given.options ? "select" : given.rows ? "textarea" : "input", { id, ...given, options: null });
  for (const [value, shown] of given.options || []) input.append(h("option", { value }, shown));
  if (given.value !== undefined) input.value = given.value;
  return Object.assign(h("p", { class: "field" }, h("label", { for: id }, text), input), { input });
}

/** A field for a password, with a box that shows it. */
export function passwordField(text, autocomplete) {
  const made = field(text, { type: "password", autocomplete, required: true, spellcheck: "false", autocapitalize: "off" });
  const box = h("input", { type: "checkbox", onchange: () => { made.input.type = box.checked ? "text" : "password"; } });
  made.append(h("label", { class: "check" }, box, t("show_password")));
  return made;
}

/** A form. `send` may wait; its error is shown in the form, in the words that `explain` has for it. */
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
        await tellIn(error, go, problem, explain);
      }
    },
  }, children, error, h("p", { class: "buttons" }, go));
  return made;
}

/* A form that has to wait says how long, and can be sent again after that. */
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

/* A dialog of a browser that knows none (Safari before 15.4): it lies over the page, keeps the focus, and Escape closes it. */
function open(made) {
  if (made.showModal) { made.showModal(); return; }
  const before = document.activeElement;
  const first = () => made.querySelector(FOCUSED);
  const onkey = (event) => {
    if (event.key === "Escape") { event.stopPropagation(); made.close(); }
    else if (event.key === "Tab" && event.shiftKey && document.activeElement === first()) event.preventDefault();
  };
  made.append(h("span", { tabindex: "0", onfocus: () => first().focus() })); // after the last one
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
  (made.querySelector("[autofocus]") || first())?.focus();
}

/** Show a dialog: `fill(close)` gives what is in it. Returns a promise of what `close` was called with, or undefined. */
export function dialog(title, fill, given = {}) {
  return new Promise((done) => {
    names += 1;
    const id = `dialog-${names}`;
    let result;
    const close = (value) => { result = value; made.close(); };
    const made = h("dialog", { ...given, "aria-labelledby": id, onclose: () => { removeEventListener("hashchange", leave); made.remove(); done(result); } });
    const leave = () => made.close(); // the back button
    addEventListener("hashchange", leave);
    made.append(
      h("div", { class: "head" }, h("h2", { id }, title), button("close", t("close"), () => close())),
      ...[fill(close)].flat().filter(Boolean),
    );
    made.addEventListener("click", (event) => { if (event.target === made) close(); });
    document.body.append(made);
    open(made);
  });
}

/** Ask whether something shall be done. */
export function sure(title, text, go, isGrave = false) {
  return dialog(title, (close) => [
    h("p", {}, text),
    h("p", { class: "buttons" }, button(null, t("cancel"), () => close(false)),
      button(null, go, () => close(true), { class: isGrave ? "grave" : "main" })),
  ]);
}

/** A dialog with one field: `send(text)` may wait. */
export function askFor(title, label, value, send, explain = fault) {
  return dialog(title, (close) => {
    const one = field(label, { value, required: true, maxlength: 500, autocomplete: "off" });
    return form([one], t("save"), async () => { await send(one.input.value.trim()); close(true); }, explain);
  });
}

/** Let an element hold these children, in this order, and leave alone those that are in their place: they may have the focus. */
export function reconcile(parent, children) {
  const wanted = new Set(children);
  for (const one of [...parent.children]) if (!wanted.has(one)) one.remove();
  for (const [index, one] of children.entries()) if (parent.children[index] !== one) parent.insertBefore(one, parent.children[index] || null);
}
