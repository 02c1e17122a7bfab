// A range as bars, stacked by source or scope, or gases beside each other; dragging over it zooms in.

import { NO_DATA, massText, percent } from "./format.js";
import { limitLines } from "./limits.js";
import { LARGE, SMALL } from "./masses.js";
import { GAP, methodOf, notMeasured } from "./methods.js";
import { drawPlot } from "./plot.js";
import { OTHERS, colour } from "./sources.js";
import { t } from "./words.js";

/** From so many bars on, the space between them is a line. */
const MANY = 60;

/** In words: what a bar says, and what of it was not measured. */
export function barText(row, kg) {
  return [massText(kg), ...(kg === null ? [] : notMeasured(row))].join(", ");
}

/** A source has the colour of its place in the file; other series have those of their order. */
export const seriesColour = ({ key, place }, index) => (key === "others" ? OTHERS : colour(place ?? index));

/**
 * Draw `shown`: { series, total, compared, marks, bars (begin, end and label of each), isStacked,
 * highest, limits }. `onZoom(first, last)` gets numbers of bars, `onBar(index, key)` one that was clicked.
 */
export function drawHistory(element, shown, { onZoom, onBar }) {
  const { series, bars, isStacked, compared, marks, limits } = shown;
  const now = Date.now();
  const unit = shown.highest >= 10 * LARGE.kg ? LARGE : SMALL;
  const inUnit = (kg) => (kg === null || kg === undefined ? null : kg / unit.kg);
  // bars stand by their number: months have no common length, and a day may have 23 hours
  const half = bars.length > MANY ? 0.475 : 0.4;
  drawPlot(element, {
    x: { from: -0.5, to: bars.length - 0.5, ticks: (isNarrow) => ticks(bars, isNarrow ? 4 : 9) },
    y: { suffix: ` ${unit.unit}` },
    bars: bars.map(({ end }, i) => ({ begin: i - half, end: i + half, isFaint: end > now })),
    series: series.map((one, index) => ({
      key: one.key, name: one.name, colour: seriesColour(one, index), values: one.values.map(inUnit),
      patterns: one.rows.map((row) => methodOf(row)?.mark ?? ""),
      texts: one.values.map((kg, i) => [bars[i].label, `${one.name}: ${barText(one.rows[i], kg)}`]),
    })),
    isStacked, ...limitLines(limits.map((limit) => ({ ...limit, value: inUnit(limit.value) })), inUnit(shown.highest)),
    gaps: shown.total.map((row, i) => gapText(row, bars[i], now)),
    lines: compared ? [{
      name: compared.name, colour: "var(--ink)", dash: "dotted", steps: true, hasDots: true,
      points: bars.map((_, i) => ({
        x: i, y: inUnit(compared.values[i]), text: [compared.labels[i] ?? "", massText(compared.values[i] ?? null)],
      })),
    }] : [],
    marks: marks.map(({ place, when, words }) => ({ x: place, text: [when, words] })),
  }, { onZoom, onBar });
}

/** What is said of a bar of which some time is unknown. */
function gapText(row, { begin, label }, now) {
  if (row.share_missing <= GAP || begin >= now) return null;
  return [label, row.share_missing >= 1 ? NO_DATA : t("{share} without data", { share: percent(row.share_missing) })];
}

function ticks(bars, wanted) {
  const all = bars.map((_, i) => i);
  const beginsOf = (end) => all.filter((i) => bars[i].from.endsWith(end));
  const places = [beginsOf("-01T00:00"), beginsOf("T00:00")].find(({ length }) => length > 2) ?? all;
  const step = Math.max(1, Math.ceil(places.length / wanted));
  return places.filter((_, i) => i % step === 0).map((i) => ({ at: i, text: bars[i].tick }));
}
