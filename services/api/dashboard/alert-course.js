// How the value of an alert went: a small line in the list, a chart with its limit and a table on its page.
// What is not known is a gap, and what was not wholly measured is drawn apart.

import { headline, inUnit } from "./alerts.js";
import { get } from "./api.js";
import { card } from "./cards.js";
import { heads, labelled, node } from "./dom.js";
import { NO_DATA, percent, spanWords } from "./format.js";
import { drawLegend } from "./legend.js";
import { SMALL, unitFor } from "./masses.js";
import { drawPlot } from "./plot.js";
import { shape } from "./plot-shapes.js";
import { t } from "./words.js";
import { instantOf, wallAfter, wallBegin, wallOf, wallWords } from "./zones.js";

/** A list asks for the courses of so many alerts at once. */
const AT_ONCE = 50;
/** A course changes little in so long. */
export const COURSES_MS = 60_000;
const SPARK = { width: 120, height: 28, points: 60 };
/** Hours between the words of the level axis. */
const STEPS = [0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96, 168];
const HOUR_MS = 3_600_000;

const timeWords = wallWords({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const clockTick = wallWords({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayTick = wallWords({ day: "numeric", month: "short" });

const begin = (row) => Date.parse(row.time);
const end = (row) => begin(row) + row.interval_s * 1000;
const isDoubtful = (row) => row.value !== null && (row.is_substituted || row.is_incomplete);

/** The courses since a while before each breach, by alert, for lines in a list. */
export async function readSparks(alerts) {
  const ids = alerts.slice(0, AT_ONCE).map(({ id }) => id);
  if (ids.length === 0) return new Map();
  const rows = await get("/v1/alerts/courses", { alert: ids, max_points: SPARK.points });
  return Map.groupBy(rows, ({ alert }) => alert);
}

/** A line of the values, its limit dotted; null: nothing is known of them. */
export function spark(alert, rows = []) {
  const known = rows.filter(({ value }) => value !== null);
  if (known.length < 2) return null;
  const values = [...known.map(({ value }) => value), alert.limit];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [from, to] = [begin(rows[0]), end(rows.at(-1))];
  const x = (row) => (((begin(row) + end(row)) / 2 - from) / (to - from)) * SPARK.width;
  const y = (value) => SPARK.height - 3 - ((value - low) / (high - low || 1)) * (SPARK.height - 6);
  let d = "";
  let isBroken = true;
  for (const row of rows) {
    if (row.value !== null) d += `${isBroken ? "M" : "L"}${x(row).toFixed(1)} ${y(row.value).toFixed(1)}`;
    isBroken = row.value === null;
  }
  const svg = shape("svg", { class: "spark", viewBox: `0 0 ${SPARK.width} ${SPARK.height}`, role: "img" },
    shape("path", { class: "bound", d: `M0 ${y(alert.limit)}H${SPARK.width}` }), shape("path", { class: "course", d }));
  svg.setAttribute("aria-label", t("The last {span}: from {low} to {high}; the limit is {limit}", {
    span: spanWords((to - from) / 1000),
    low: inUnit(alert.unit, Math.min(...known.map((row) => row.low)), alert.figure),
    high: inUnit(alert.unit, Math.max(...known.map((row) => row.high)), alert.figure),
    limit: inUnit(alert.unit, alert.limit, alert.figure),
  }));
  return svg;
}

/** The rows of one alert, of which state they are, and when they were read. */
let read = { rows: [], of: "", at: 0 };

async function courseOf({ id, resolved_at: resolved, undone_at: undone }) {
  const of = [id, resolved, undone].join();
  if (of !== read.of || Date.now() - read.at >= COURSES_MS) {
    read = { rows: await get("/v1/alerts/courses", { alert: id }), of, at: Date.now() };
  }
  return read.rows;
}

/** A card with the course of one alert; its chart is drawn when the card stands on the page. */
export async function courseCard(alert, facility) {
  const rows = await courseOf(alert);
  if (rows.length === 0) {
    const textContent = t("Its values cannot be computed any more: the threshold was deleted or watches something else now, or its window ended too long ago.");
    return card(t("Course"), node("p", { className: "quiet", textContent }));
  }
  const plot = node("div", { className: "plot", role: "img", ariaLabel: summary(alert, rows) });
  const shown = shownOf(alert, rows, facility.timezone);
  const legend = node("ul", { className: "legend" });
  drawLegend(legend, [
    ...shown.lines.map(({ mark, name }) => ({ mark, name })),
    ...(shown.gaps.some(Boolean) ? [{ mark: "gap", name: t("unknown") }] : []),
  ]);
  drawPlot(plot, shown);
  const note = t("Computed again from present data; what was restated since is restated here too.");
  return card(t("Course"), node("div", { className: "charts" }, node("figure", {}, legend, plot)),
    node("p", { className: "quiet", textContent: note }), table(alert, rows, facility.timezone));
}

function summary(alert, rows) {
  const known = rows.filter(({ value }) => value !== null);
  return t("The value went from {first} to {last}, at most {high}: {limit}", {
    first: inUnit(alert.unit, known[0].value, alert.figure), last: inUnit(alert.unit, known.at(-1).value, alert.figure),
    high: inUnit(alert.unit, Math.max(...known.map((row) => row.high)), alert.figure), limit: headline(alert),
  });
}

/** What `plot.js` draws. */
function shownOf(alert, rows, zone) {
  const { factor, suffix } = scale(alert, rows);
  const [from, to] = [begin(rows[0]), end(rows.at(-1))];
  const at = (row) => timeWords(wallOf(begin(row), zone));
  const points = (value) => rows.map((row, i) => ({
    x: (begin(row) + end(row)) / 2, y: value(row, i) === null ? null : value(row, i) * factor,
    text: [at(row), [inUnit(alert.unit, value(row, i), alert.figure), ...doubts(row)].join(", ")],
  }));
  // the line of what is doubtful touches what is measured on both sides
  const nearDoubt = (i) => [rows[i - 1], rows[i], rows[i + 1]].some((row) => row && isDoubtful(row));
  const extreme = alert.direction === "below"
    ? { name: t("lowest of its minutes"), value: ({ low }) => low }
    : { name: t("highest of its minutes"), value: ({ high }) => high };
  const limit = alert.limit * factor;
  const colour = alert.severity === "critical" ? "critical" : "warn";
  return {
    x: { from, to, ticks: (isNarrow) => ticks(from, to, zone, isNarrow ? 4 : 9) },
    y: { suffix },
    bars: rows.map((row) => ({ begin: begin(row), end: end(row) })), series: [],
    gaps: rows.map((row) => (row.share_missing > 0 ? [at(row), missing(row)] : null)),
    lines: [
      { name: t("limit"), colour: `var(--${colour})`, dash: "dashed", mark: `line dashed ${colour}`,
        points: [from, to].map((x) => ({ x, y: limit, text: [t("limit"), inUnit(alert.unit, alert.limit, alert.figure)] })) },
      ...(rows[0].interval_s > 60 ? [{ name: extreme.name, colour: "var(--quiet)", dash: "dotted", mark: "line quiet dotted", points: points(extreme.value) }] : []),
      { name: t("value"), colour: "var(--accent)", mark: "line", points: points((row) => (isDoubtful(row) ? null : row.value)) },
      ...(rows.some(isDoubtful) ? [{ name: t("not wholly measured"), colour: "var(--accent)", dash: "dotted", mark: "line dotted", points: points((row, i) => (nearDoubt(i) ? row.value : null)) }] : []),
    ],
    marks: [[alert.fired_at, t("Fired")], [alert.resolved_at, t("Ended")]]
      .filter(([time]) => time && Date.parse(time) >= from && Date.parse(time) <= to)
      .map(([time, name]) => ({ x: Date.parse(time), text: [timeWords(wallOf(Date.parse(time), zone)), name] })),
  };
}

/** What a value is multiplied by for the upright axis, and the unit there. */
function scale(alert, rows) {
  const highest = Math.max(Math.abs(alert.limit), ...rows.map(({ high }) => Math.abs(high ?? 0)));
  switch (alert.unit) {
    case "kg": return { factor: 1 / unitFor(highest).kg, suffix: ` ${unitFor(highest).unit}` };
    case "kg/h": return { factor: 1 / SMALL.kg, suffix: ` ${SMALL.unit}/h` };
    case "ratio": return { factor: 100, suffix: " %" };
    case "s": return { factor: 1 / 60, suffix: " min" };
    default: return { factor: 1, suffix: alert.unit ? ` ${alert.unit}` : "" };
  }
}

const missing = (row) => (row.value === null ? NO_DATA : t("{share} without data", { share: percent(row.share_missing) }));

const doubts = (row) => (row.value === null ? [] : [
  ...(row.is_substituted ? [t("partly substituted")] : []),
  ...(row.is_incomplete ? [t("a source is unknown")] : []),
]);

/** Times of the zone, as far apart as their words need; from a day on, days. */
function ticks(from, to, zone, wanted) {
  const step = STEPS.find((hours) => (to - from) / (hours * HOUR_MS) <= wanted) ?? STEPS.at(-1);
  const places = [];
  const last = wallOf(to, zone);
  for (let wall = wallBegin(wallOf(from, zone), "d"); wall <= last; wall = wallAfter(wall, step, "h")) places.push(wall);
  return places.map((wall) => ({ at: instantOf(wall, zone), text: step >= 24 || wall.endsWith("T00:00") ? dayTick(wall) : clockTick(wall) }))
    .filter(({ at }) => at >= from && at <= to);
}

/** What the chart shows, the newest time first. */
function table(alert, rows, zone) {
  const names = [t("Time"), t("Value"), t("Lowest"), t("Highest"), t("Quality")];
  const words = (value) => inUnit(alert.unit, value, alert.figure);
  const body = rows.toReversed().map((row) => node("tr", {},
    node("th", { scope: "row", textContent: timeWords(wallOf(begin(row), zone)) }),
    ...[row.value, row.low, row.high].map((value, i) => labelled(names[i + 1], words(value))),
    labelled(names[4], [...(row.share_missing > 0 ? [missing(row)] : []), ...doubts(row)].join(", ") || t("known"))));
  const element = node("table", { className: "bars-table", ariaLabel: t("Course") },
    node("thead", {}, heads(names)),
    node("tbody", {}, ...body));
  return node("details", {}, node("summary", { textContent: t("Table") }), node("div", { className: "scroll" }, element));
}
