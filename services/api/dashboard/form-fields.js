// One value of a form: its label, what it means, what may be entered, and what is wrong with it.

import { node } from "./dom.js";
import { choicesOf, takesNumbers, takesTexts, typed } from "./form-kinds.js";
import { t } from "./words.js";

let made = 0;

/** A field; `changed` is told the value that was entered, undefined: none is. */
export function field({ path, label, name = "", key, value, isRequired, choices, may, removable, description, changed }) {
  const id = `field-${(made += 1)}`;
  const allowed = choices ?? choicesOf(may.scalars);
  const entry = allowed ? choice(allowed, value, isRequired) : input(may.scalars, key, value);
  entry.id = id;
  entry.classList.add("entry");
  entry.setAttribute("aria-describedby", `${id}-help ${id}-mistake`);
  if (isRequired) entry.setAttribute("aria-required", "true");
  entry.onchange = () => changed(typed(may.scalars, entry.value));
  const heading = node("label", { htmlFor: id }, node("b", { textContent: label }),
    ...(name ? [" ", node("code", { className: "quiet", textContent: name })] : []),
    ...(isRequired ? [" ", node("span", { className: "quiet", textContent: t("required") })] : []));
  const part = node("div", { className: "part field" }, heading, entry,
    node("p", { id: `${id}-mistake`, className: "mistake doubt" }),
    node("p", { id: `${id}-help`, className: "quiet help", textContent: [description, bounds(may.scalars)].filter(Boolean).join(" ") }));
  part.dataset.path = path;
  const clear = removable ?? (may.composites.length > 0 ? path : null);
  if (clear !== null) part.append(...others(changed, may, removable, label));
  return part;
}

/** What else may become of a value: it goes, or is stated in parts. */
function others(changed, may, removable, label) {
  const button = (text, value) => node("button", { type: "button", className: "plain", textContent: text, onclick: () => changed(value, true) });
  return [
    ...(removable === null ? [] : [button(t("Remove {part}", { part: label }), undefined)]),
    ...may.composites.map(({ type }) => (type === "array" ? button(t("State it as a list"), []) : button(t("State it in parts"), {}))),
  ];
}

function choice(allowed, value, isRequired) {
  const none = node("option", { value: "", textContent: isRequired ? t("choose …") : t("not stated") });
  const select = node("select", {}, none, ...allowed.map((one) => node("option", { value: String(one), textContent: String(one) })));
  if (value !== undefined && value !== null && !allowed.map(String).includes(String(value))) {
    select.append(node("option", { value: String(value), textContent: String(value) }));
  }
  select.value = String(value ?? "");
  return select;
}

function input(scalars, key, value) {
  const entry = node("input", { type: "text", autocomplete: "off", spellcheck: false, value: String(value ?? "") });
  if (takesNumbers(scalars) && !takesTexts(scalars)) entry.inputMode = "decimal";
  const example = scalars.flatMap(({ examples = [] }) => examples)[0];
  if (example !== undefined && typeof example !== "object") entry.placeholder = String(example);
  entry.setAttribute("list", `ids-of-${key}`);
  return entry;
}

/** So large a limit keeps out what nobody means, and helps nobody. */
const UNTOLD = 1e12;

/** Limits of a number, as the schema has them. */
function bounds(scalars) {
  const told = (limit) => (limit !== undefined && Math.abs(limit) < UNTOLD ? limit : undefined);
  const [minimum, maximum] = ["minimum", "maximum"].map((key) => told(scalars.find((kind) => kind[key] !== undefined)?.[key]));
  if (minimum === undefined && maximum === undefined) return "";
  if (minimum === undefined) return t("At most {maximum}.", { maximum });
  if (maximum === undefined) return t("At least {minimum}.", { minimum });
  return t("From {minimum} to {maximum}.", { minimum, maximum });
}
