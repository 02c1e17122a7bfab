// Whatever the API says of something, as nested lists and tables: nothing is left out.

import { heads, labelled, node, sized } from "./dom.js";
import { t } from "./words.js";

const YES_NO = new Map([[true, t("yes")], [false, t("no")]]);

/** A value of JSON as elements; `words` says what a key is called. */
export function tree(value, words) {
  if (value === null || value === undefined || value === "") return node("span", { className: "unknown", textContent: "–" });
  if (typeof value !== "object") return node("span", { textContent: YES_NO.get(value) ?? String(value) });
  const entries = Array.isArray(value) ? value.map((item, i) => [String(i + 1), item]) : Object.entries(value);
  if (entries.length === 0) return node("span", { className: "unknown", textContent: t("none") });
  return node("dl", { className: "tree" }, ...entries.map(([key, item]) =>
    node("div", {}, node("dt", { textContent: words(key) }), node("dd", {}, tree(item, words)))));
}

/** A table whose cells say their column where its head is not shown. */
export function table(names, rows) {
  const body = rows.map(([first, ...rest]) => node("tr", {},
    sized(node("th", { scope: "row" }, first)),
    ...rest.map((content, i) => labelled(names[i + 1], content))));
  return node("div", { className: "scroll" },
    node("table", { className: "bars-table" }, node("thead", {}, heads(names)), node("tbody", {}, ...body)));
}
