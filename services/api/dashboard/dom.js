// Elements of a page, built in one expression.

export function node(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A cell that says its column where the head of its table is not shown. */
export function labelled(name, ...content) {
  const cell = node("td", {}, ...content);
  cell.dataset.label = name;
  return cell;
}
