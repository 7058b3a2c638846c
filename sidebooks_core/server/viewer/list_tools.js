/* What stands above a long list: a field that filters as one types, and the order. */

import { field, h, icon, searchField } from "./elements.js";
import { chooseOrder, orderChosen } from "./shelf_memory.js";
import { ORDERS } from "./shelf_list.js";
import { t } from "./words.js";

const LONG = 4; // rows; a shorter list is seen as a whole

/**
 * `tools.element` and `tools.told`: what they show.
 * @param {() => void} changed called when the list is to be filled anew
 */
export function listTools(changed) {
  const input = searchField(t("list_filter"), { enterkeyhint: "done", oninput: () => changed() });
  const order = field(t("order"), { options: ORDERS.map((one) => [one, t(`order_${one}`)]), value: orderChosen() });
  order.input.addEventListener("change", () => { chooseOrder(order.input.value); changed(); });
  const told = h("p", { class: "told", role: "status" });
  const none = h("p", { class: "none", hidden: true });
  const element = h("div", { class: "list-tools", hidden: true }, h("div", { class: "filter" }, icon("search"), input), order);
  return {
    element,
    told: h("div", {}, told, none),
    get query() { return input.value.trim(); },
    get order() { return order.hidden ? "agenda" : order.input.value; },
    /**
     * @param {number} count rows that there are without the filter
     * @param {{mayOrder: boolean}} given
     */
    fill(count, { mayOrder }) {
      element.hidden = count <= LONG && !input.value;
      order.hidden = !mayOrder;
    },
    /**
     * @param {number} shown rows that are left by the filter
     * @param {boolean} maySearch
     */
    tell(shown, maySearch) {
      const query = input.value.trim();
      none.hidden = !query || shown > 0;
      told.textContent = query && shown ? (shown === 1 ? t("count_one") : t("count_papers", { n: shown })) : "";
      const further = maySearch ? h("a", { href: `#search=${encodeURIComponent(query)}` }, t("search_texts")) : "";
      none.replaceChildren(...(none.hidden ? [] : [t("no_match", { q: query }), " ", further]));
    },
  };
}
