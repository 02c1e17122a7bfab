// Elements of a page, built in one expression.

export function node(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** What the Tab key reaches. */
const REACHED = "a[href], button, input, select, textarea, summary, [tabindex]";

/** What a link or button is called, which may be drawn anew. */
const calling = ({ localName, ariaLabel, name, textContent }) => [localName, ariaLabel, name, textContent].join("\n");

/**
 * Put something else into an element: whoever goes by keyboard stays where they were, or is at the head of that part
 * where it is gone, and what was opened stays open.
 */
export function redraw(element, ...content) {
  const reached = element.contains(document.activeElement) ? document.activeElement : null;
  const part = element.closest("[tabindex='-1']");
  const opened = [...element.querySelectorAll("details")].map(({ open }) => open);
  element.replaceChildren(...content);
  const details = [...element.querySelectorAll("details")];
  if (details.length === opened.length) details.forEach((one, i) => { one.open ||= opened[i]; });
  if (reached === null || element.contains(document.activeElement)) return;
  const alike = [...element.querySelectorAll(REACHED)].filter((one) => calling(one) === calling(reached));
  const same = alike.find(({ href }) => href === reached.href) ?? (alike.length === 1 ? alike[0] : part);
  same?.focus({ preventScroll: true });
}

/** A text as long as this has a line of its own where there is little room. */
const LONG = 40;
/** Letters that a word may have to stay in one piece, and that a column has room for at least. */
const [WORD, LEAST] = [14, 9];

/** Say how much room the text of a cell, or of a fact, asks for: columns of long texts squeeze no other. */
export function sized(element) {
  const text = element.textContent;
  const longest = Math.max(...text.split(/\s+/).map((word) => word.length));
  element.style.setProperty("--letters", Math.max(Math.min(longest, WORD), Math.min(text.length, LEAST)));
  element.classList.toggle("long", text.length > LONG);
  return element;
}

/** The head of a table: what its columns are called. */
export const heads = (names) => node("tr", {}, ...names.map((name) => sized(node("th", { scope: "col", textContent: name }))));

/** A cell that says its column where the head of its table is not shown. */
export function labelled(name, ...content) {
  const cell = sized(node("td", {}, ...content));
  cell.dataset.label = name;
  return cell;
}
