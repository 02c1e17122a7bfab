// Budgets of a facility's month or year: what is left of each day by day, beside an even pace. What is
// expected of the rest is the API's forecast, drawn apart from what is known.

import { get } from "./api.js";
import { heads, labelled, node, redraw } from "./dom.js";
import { FIGURES } from "./figures.js";
import { massText, percent } from "./format.js";
import { drawLegend } from "./legend.js";
import { unitFor } from "./masses.js";
import { drawPlot } from "./plot.js";
import { t } from "./words.js";
import { instantOf, wallAfter, wallBegin, wallOf, wallWords } from "./zones.js";

const UNITS = { month: "mo", year: "y" };
/** Less than this share of time without data is the space between two readings. */
const GAP = 0.001;
const LINES = {
  pace: { name: t("even pace"), colour: "var(--quiet)", dash: "dotted", mark: "line quiet dotted" },
  left: { name: t("left"), colour: "var(--accent)", mark: "line" },
  expected: { name: t("expected"), colour: "var(--accent)", dash: "dashed", mark: "line dashed" },
};
const TICKS = { month: wallWords({ day: "numeric" }), year: wallWords({ month: "short" }) };
const dayWords = wallWords({ day: "numeric", month: "short" });
const timeWords = wallWords({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** Read the budgets of a facility and, if `isNewest` says so then, draw them into `list`; returns how many there are. */
export async function drawBudgets(list, facility, isNewest) {
  const thresholds = await get("/v1/thresholds", { facility: facility.id });
  const budgets = thresholds.filter(({ budget, window }) => budget !== null && Object.hasOwn(UNITS, window));
  const forecasts = budgets.some(isOfAll) ? await get("/v1/forecast", { facility: facility.id }).catch(() => []) : [];
  const drawn = await Promise.all(budgets.map(async (budget) => {
    const period = periodOf(budget.window, facility.timezone);
    const days = await get("/v1/emissions", { facility: facility.id, interval: "1d", from: new Date(period.begin).toISOString(), to: "now", ...part(budget) });
    return { budget, period, steps: stepsOf(days, budget, period), forecast: isOfAll(budget) ? forecastOf(forecasts, budget) : undefined };
  }));
  if (!isNewest()) return drawn.length;
  redraw(list, ...drawn.map((one) => card(one, facility)));
  drawn.forEach((one, i) => plot(list.children[i].querySelector(".plot"), one));
  return drawn.length;
}

const isOfAll = ({ source, scope }) => source === null && scope === null;
const part = ({ source, scope }) => (source !== null ? { source } : { group_by: scope === null ? "facility" : "scope" });
const forecastOf = (forecasts, { window, figure }) =>
  forecasts.find((row) => row.horizon === window && row.figure === (figure ?? "co2") && row.scope === null && row.total_kg !== null);

function periodOf(window, zone) {
  const from = wallBegin(wallOf(Date.now(), zone), UNITS[window]);
  const to = wallAfter(from, 1, UNITS[window]);
  return { from, to, zone, begin: instantOf(from, zone), end: instantOf(to, zone) };
}

/** After each day: what is left, and how much of the time up to then is unknown. */
function stepsOf(rows, { scope, figure, budget }, period) {
  const { kg } = FIGURES[figure ?? "co2"];
  const days = scope === null ? rows : rows.filter((row) => row.scope === scope);
  let [used, unknownMs] = [0, 0];
  const steps = [{ time: period.begin, left: budget, unknown: 0 }];
  days.forEach((row, i) => {
    const begin = Date.parse(row.time);
    const end = Math.min(Date.now(), i + 1 < days.length ? Date.parse(days[i + 1].time) : Infinity);
    used += row[kg] ?? 0;
    unknownMs += row.share_missing * (end - begin);
    steps.push({ time: end, left: budget - used, unknown: unknownMs / (end - period.begin) });
  });
  return steps;
}

function card({ budget, period, steps, forecast }, facility) {
  const { left, unknown } = steps.at(-1);
  const used = budget.budget - left;
  const source = facility.sources.find(({ id }) => id === budget.source)?.name ?? budget.source;
  const of = source ?? (budget.scope === null ? facility.name : t("Scope {scope}", { scope: budget.scope }));
  const lines = [
    t("{used} of {budget} used, {share}", { used: massText(used), budget: massText(budget.budget), share: percent(used / budget.budget) }),
    left >= 0 ? t("{mass} left", { mass: massText(left) }) : t("{mass} over the budget", { mass: massText(-left) }),
    ...(unknown > GAP ? [t("{share} of the time so far is unknown, so more may be used", { share: percent(unknown) })] : []),
    ...(forecast ? [t("at its end {mass} expected, {low} to {high}: a forecast, not measured", {
      mass: massText(forecast.total_kg), low: massText(forecast.total_low_kg), high: massText(forecast.total_high_kg),
    })] : []),
  ];
  const window = budget.window === "year" ? t("budget of the year") : t("budget of the month");
  const title = `${of}, ${window}, ${FIGURES[budget.figure ?? "co2"].name} (${budget.id})`;
  const legend = node("ul", { className: "legend" });
  drawLegend(legend, [LINES.pace, LINES.left, ...(forecast ? [LINES.expected] : [])].map(({ mark, name }) => ({ mark, name })));
  return node("figure", {},
    node("figcaption", { textContent: title }),
    legend,
    node("div", { className: "plot", role: "img", ariaLabel: `${title}: ${lines.join("; ")}` }),
    node("ul", { className: "said" }, ...lines.map((text) => node("li", { textContent: text }))),
    table(title, budget.budget, period, steps));
}

/** What the chart shows, the newest day first. */
function table(title, whole, { begin, end, zone }, steps) {
  const names = [t("Time"), LINES.left.name, LINES.pace.name, t("Known")];
  const rows = steps.slice(1).reverse().map(({ time, left, unknown }) => node("tr", {},
    node("th", { scope: "row", textContent: timeWords(wallOf(time, zone)) }),
    labelled(names[1], massText(left)),
    labelled(names[2], massText(whole * (end - time) / (end - begin))),
    labelled(names[3], percent(1 - unknown))));
  const element = node("table", { className: "bars-table", ariaLabel: title },
    node("thead", {}, heads(names)),
    node("tbody", {}, ...rows));
  return node("details", {}, node("summary", { textContent: t("Table") }), node("div", { className: "scroll" }, element));
}

function plot(element, { budget, period, steps, forecast }) {
  const unit = unitFor(budget.budget);
  const [from, to] = [period.begin, period.end];
  const point = (x, kg, name) => ({ x, y: kg / unit.kg, text: [name, `${dayWords(wallOf(x, period.zone))}: ${massText(kg)}`] });
  const last = steps.at(-1);
  const rest = forecast && budget.budget - forecast.total_kg;
  drawPlot(element, {
    x: { from, to, ticks: (isNarrow) => ticks(period, budget.window, isNarrow) },
    y: { suffix: ` ${unit.unit}` },
    series: [],
    lines: [
      { ...LINES.pace, points: [point(from, budget.budget, LINES.pace.name), point(to, 0, LINES.pace.name)] },
      { ...LINES.left, points: steps.map(({ time, left }) => point(time, left, LINES.left.name)) },
      ...(forecast ? [{ ...LINES.expected, points: [point(last.time, last.left, LINES.expected.name), point(to, rest, LINES.expected.name)] }] : []),
    ],
    whiskers: forecast ? [{
      x: to, low: (budget.budget - forecast.total_high_kg) / unit.kg, high: (budget.budget - forecast.total_low_kg) / unit.kg,
    }] : [],
  });
}

/** Days of a month, or months of a year, as far apart as their words need. */
function ticks({ from, to, zone }, window, isNarrow) {
  const unit = window === "year" ? "mo" : "d";
  const every = (window === "year" ? 1 : 2) * (isNarrow ? 2 : 1);
  const walls = [];
  for (let wall = from; wall < to; wall = wallAfter(wall, every, unit)) walls.push(wall);
  return walls.map((wall) => ({ at: instantOf(wall, zone), text: TICKS[window](wall) }));
}
