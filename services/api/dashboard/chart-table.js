// The last 24 hours as a table: the figures of the chart, each with its explanation.

import { explanationOf } from "./chart.js";
import { heads, labelled, node, redraw } from "./dom.js";
import { NO_DATA, rateText } from "./format.js";
import { SMALL } from "./masses.js";
import { t } from "./words.js";

/** Draw what a chart shows, the newest time first. */
export function drawChartTable(head, body, facility, { times, label, series }) {
  const names = [t("Time"), ...series.map(({ name }) => name), t("All")];
  head.replaceChildren(heads(names));
  redraw(body, ...times.map((time, i) => {
    const cells = series.map(({ key, name, values, texts }) => {
      const text = texts[i][1].slice(name.length + 2);
      const isExplained = key !== "others" && values[i] !== null;
      return labelled(name, isExplained ? node("a", { href: explanationOf(facility, key, time), textContent: text }) : text);
    });
    const known = series.map(({ values }) => values[i]).filter((value) => value !== null);
    const all = known.length ? rateText(known.reduce((sum, value) => sum + value, 0) * SMALL.kg) : NO_DATA;
    return node("tr", {}, node("th", { scope: "row", textContent: label[i] }), ...cells, labelled(t("All"), all));
  }).reverse());
}
