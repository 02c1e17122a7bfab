// The bars of a range as a table, and where a spreadsheet gets the same.

import { heads, labelled, node, redraw } from "./dom.js";
import { massText, percent } from "./format.js";
import { barText } from "./history-chart.js";
import { FIGURES } from "./figures.js";
import { t } from "./words.js";

/** The address of the API's own answer behind the chart. */
export function csvAddress(common, asked) {
  return `/v1/emissions.csv?${new URLSearchParams({ ...common, ...asked })}`;
}

/** Draw a row for each bar; hours of a source lead to their explanation. */
export function drawTable(head, body, { series, total, bars, figure, facility, step, by }) {
  const names = [t("Time"), ...series.map(({ name }) => name), ...(by === "gas" ? [] : [t("All")]), t("Known")];
  head.replaceChildren(heads(names));
  redraw(body, ...bars.map((bar, i) => {
    const cells = series.map((one) => {
      const text = barText(one.rows[i], one.values[i]);
      const isExplained = step === "1h" && by === "source" && one.key !== "others" && one.rows[i];
      return labelled(one.name, isExplained ? explained(facility, one.key, bar, text) : text);
    });
    const whole = total[i].share_missing >= 1 ? null : total[i][FIGURES[figure].kg];
    return node("tr", {},
      node("th", { scope: "row", textContent: bar.label }),
      ...cells,
      ...(by === "gas" ? [] : [labelled(t("All"), massText(whole))]),
      labelled(t("Known"), percent(1 - total[i].share_missing)));
  }));
}

function explained(facility, source, bar, text) {
  const hour = new Date(bar.begin).toISOString();
  return node("a", { href: `/explain?${new URLSearchParams({ facility: facility.id, source, hour })}`, textContent: text });
}
