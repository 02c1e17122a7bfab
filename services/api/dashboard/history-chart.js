// A range as bars, stacked by source or scope, or gases beside each other; dragging over it zooms in.

import { ground, loadLibrary } from "./chart.js";
import { NO_DATA, massText, percent } from "./format.js";
import { LARGE, SMALL } from "./masses.js";
import { GAP, hatching, notMeasured, patterns } from "./methods.js";
import { t } from "./words.js";

const NARROW_PX = 600;
const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false };

/** In words: what a bar says, and what of it was not measured. */
export function barText(row, kg) {
  return [massText(kg), ...(kg === null ? [] : notMeasured(row))].join(", ");
}

/**
 * Draw `shown`: { series, total, compared, marks, bars (begin, end and label of each), isStacked,
 * per }. `onZoom(from, to)` gets places on the axis of bars, `onBar(index, key)` one that was clicked.
 */
export async function drawHistory(element, shown, { onZoom, onBar }) {
  const Plotly = await loadLibrary();
  const style = getComputedStyle(document.documentElement);
  const ink = (name) => style.getPropertyValue(name).trim();
  const { series, bars, isStacked } = shown;
  const now = Date.now();
  // bars stand by their number: months have no common length, and a day may have 23 hours
  const x = bars.map((_, i) => i);
  const traces = series.map((one, index) => ({
    type: "bar", name: one.name, x, y: one.values.map(inUnit(shown)),
    marker: {
      color: ink(`--source-${index % 8}`), line: { width: 0 },
      opacity: bars.map(({ end }) => (end > now ? 0.5 : 1)),
      pattern: patterns(one.rows, ink),
    },
    customdata: one.values.map((kg, i) => [bars[i].label, barText(one.rows[i], kg)]),
    hovertemplate: `%{customdata[0]}<br>${escaped(one.name)}: <b>%{customdata[1]}</b><extra></extra>`,
    meta: one.key,
  }));
  traces.unshift(gaps(shown, x, ink));
  if (shown.compared) traces.push(line(shown, x, ink));
  if (shown.marks.length) traces.push(marks(shown, ink));
  const narrow = element.clientWidth < NARROW_PX;
  await Plotly.react(element, traces, {
    barmode: isStacked ? "relative" : "group", bargap: bars.length > 60 ? 0.05 : 0.2, showlegend: false,
    dragmode: "select", selectdirection: "h", hovermode: "closest",
    newselection: { line: { color: ink("--accent"), width: 1 } },
    margin: { l: narrow ? 44 : 62, r: 10, t: 14, b: 40 },
    ...ground(ink, style.fontFamily, narrow),
    xaxis: {
      fixedrange: true, range: [-0.5, bars.length - 0.5], showgrid: false, zeroline: false,
      tickmode: "array", ...ticks(bars, narrow ? 4 : 9), tickangle: 0,
      ticks: "outside", ticklen: 5, tickcolor: ink("--line"), linecolor: ink("--line"),
    },
    yaxis: {
      automargin: true, fixedrange: true, rangemode: "tozero", gridcolor: ink("--line"), zeroline: true,
      zerolinecolor: ink("--line"), tickformat: ",.3~r", ticksuffix: ` ${unitOf(shown).unit}`, nticks: 6,
    },
    yaxis2: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
  }, CONFIG);
  element.removeAllListeners?.("plotly_selected");
  element.removeAllListeners?.("plotly_click");
  element.on("plotly_selected", (event) => {
    const [from, to] = event?.range?.x ?? [];
    if (from !== undefined) onZoom(Math.max(0, Math.round(from)), Math.min(bars.length - 1, Math.round(to)));
  });
  element.on("plotly_click", ({ points: [point] }) => {
    if (point.data.type === "bar") onBar(point.pointIndex, point.data.meta ?? null);
  });
}

/** Names come from people, and the chart library reads some HTML in them. */
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("%{", "% {");

/** All values of a chart in one unit. */
const unitOf = ({ highest }) => (highest >= 10 * LARGE.kg ? LARGE : SMALL);
const inUnit = (shown) => (kg) => (kg === null ? null : kg / unitOf(shown).kg);

/** Behind bars of which some time is unknown. */
function gaps({ total, bars }, x, ink) {
  const now = Date.now();
  const lacking = total.map((row, i) => row.share_missing > GAP && Date.parse(row.time) < now && bars[i].begin < now);
  return {
    type: "bar", name: NO_DATA, x, y: lacking.map((lacks) => (lacks ? 1 : null)), yaxis: "y2", width: 1,
    marker: hatching(ink),
    customdata: total.map((row, i) => [bars[i].label, t("{share} without data", { share: percent(row.share_missing) })]),
    hovertemplate: "%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
  };
}

function line(shown, x, ink) {
  const { values, labels, name } = shown.compared;
  return {
    type: "scatter", mode: "lines+markers", name, x, y: x.map((i) => inUnit(shown)(values[i] ?? null)),
    line: { color: ink("--ink"), width: 1.5, dash: "dot", shape: "hvh" }, marker: { size: 4, color: ink("--ink") },
    connectgaps: false, customdata: x.map((i) => [labels[i] ?? "", massText(values[i] ?? null)]),
    hovertemplate: "%{customdata[0]}<br><b>%{customdata[1]}</b><extra></extra>",
  };
}

function marks({ marks: list }, ink) {
  return {
    type: "scatter", mode: "markers", name: t("marks"), yaxis: "y2", cliponaxis: false,
    x: list.map(({ place }) => place), y: list.map(() => 1),
    marker: { symbol: "triangle-down", size: 10, color: ink("--warn"), line: { width: 1, color: ink("--card") } },
    customdata: list.map(({ when, words }) => [escaped(when), escaped(words)]),
    hovertemplate: "%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
  };
}

function ticks(bars, wanted) {
  const days = bars.map((_, i) => i).filter((i) => bars[i].from.endsWith("T00:00"));
  const places = days.length > 2 ? days : bars.map((_, i) => i);
  const step = Math.max(1, Math.ceil(places.length / wanted));
  const at = places.filter((_, i) => i % step === 0);
  return { tickvals: at, ticktext: at.map((i) => bars[i].tick) };
}
