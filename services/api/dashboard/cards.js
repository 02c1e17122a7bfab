// Parts of pages that are made of answers: cards, and what stands in them.

import { node, sized } from "./dom.js";

export const card = (title, ...content) =>
  node("section", { className: "card" }, node("h2", { textContent: title }), ...content);

/** Pairs of a name and a text; those whose text is null are left out. */
export const facts = (pairs) =>
  node("dl", { className: "facts" }, ...pairs.filter(([, text]) => text !== null).map(([name, text]) =>
    node("div", {}, node("dt", { textContent: name }), sized(node("dd", { textContent: text })))));
