// The words under which colours and patterns of a chart stand.

import { node } from "./dom.js";

/** Draw items `{ mark, colour, name }`: a swatch of a colour, or one that a mark of the page's style draws. */
export function drawLegend(list, items) {
  list.replaceChildren(...items.map(({ mark = "", colour = "", name }) => {
    const swatch = node("span", { className: `swatch ${mark}`.trim() });
    swatch.style.background = colour;
    return node("li", {}, swatch, name);
  }));
}
