// Budgets of a facility's month or year: what is left of each day by day, beside an even pace. What is
// expected of the rest is the API's forecast, drawn apart from what is known.

import { get } from "./api.js";
import { ground, loadLibrary } from "./chart.js";
import { node } from "./dom.js";
import { FIGURES } from "./figures.js";
import { massText, percent } from "./format.js";
import { unitFor } from "./masses.js";
import { t } from "./words.js";
import { instantOf, wallAfter, wallBegin, wallOf } from "./zones.js";

const NARROW_PX = 420;
const CONFIG = { displayModeBar: false, responsive: true };
const UNITS = { month: "mo", year: "y" };
/** Less than this share of time without data is the space between two readings. */
const GAP = 0.001;

/** Read and draw the budgets of a facility into `list`; returns how many there are. */
export async function drawBudgets(list, facility) {
  const thresholds = await get("/v1/thresholds", { facility: facility.id });
  const budgets = thresholds.filter(({ budget, window }) => budget !== null && Object.hasOwn(UNITS, window));
  const forecasts = budgets.some(isOfAll) ? await get("/v1/forecast", { facility: facility.id }).catch(() => []) : [];
  const drawn = await Promise.all(budgets.map(async (budget) => {
    const period = periodOf(budget.window, facility.timezone);
    const days = await get("/v1/emissions", { facility: facility.id, interval: "1d", from: new Date(period.begin).toISOString(), to: "now", ...part(budget) });
    return { budget, period, steps: stepsOf(days, budget, period), forecast: isOfAll(budget) ? forecastOf(forecasts, budget) : undefined };
  }));
  list.replaceChildren(...drawn.map((one) => card(one, facility)));
  await Promise.all(drawn.map((one, i) => plot(list.children[i].querySelector(".plot"), one, facility.timezone)));
  return drawn.length;
}

const isOfAll = ({ source, scope }) => source === null && scope === null;
const part = ({ source, scope }) => (source !== null ? { source } : { group_by: scope === null ? "facility" : "scope" });
const forecastOf = (forecasts, { window, figure }) =>
  forecasts.find((row) => row.horizon === window && row.figure === (figure ?? "co2") && row.scope === null && row.total_kg !== null);

function periodOf(window, zone) {
  const from = wallBegin(wallOf(Date.now(), zone), UNITS[window]);
  const to = wallAfter(from, 1, UNITS[window]);
  return { from, to, begin: instantOf(from, zone) };
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

function card({ budget, steps, forecast }, facility) {
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
  return node("figure", {},
    node("figcaption", { textContent: title }),
    node("div", { className: "plot", role: "img", ariaLabel: `${title}: ${lines.join("; ")}` }),
    node("ul", { className: "said" }, ...lines.map((text) => node("li", { textContent: text }))));
}

async function plot(element, { budget, period, steps, forecast }, zone) {
  const Plotly = await loadLibrary();
  const shown = unitFor(budget.budget);
  const style = getComputedStyle(document.documentElement);
  const ink = (name) => style.getPropertyValue(name).trim();
  const narrow = element.clientWidth < NARROW_PX;
  const ends = [period.from, period.to];
  const line = (name, x, y, how) => ({ type: "scatter", name, x, y: y.map((kg) => kg / shown.kg), hovertemplate: `%{x|%d %b}: <b>%{y:,.4~r} ${shown.unit}</b> ${name}<extra></extra>`, ...how });
  const last = steps.at(-1);
  const traces = [
    line(t("even pace"), ends, [budget.budget, 0], { mode: "lines", line: { color: ink("--quiet"), width: 1.5, dash: "dot" } }),
    line(t("left"), steps.map(({ time }) => wallOf(time, zone)), steps.map(({ left }) => left), { mode: "lines", line: { color: ink("--accent"), width: 2 } }),
  ];
  if (forecast) {
    traces.push(line(t("expected"), [wallOf(last.time, zone), ends[1]], [last.left, budget.budget - forecast.total_kg], {
      mode: "lines", line: { color: ink("--accent"), width: 1.5, dash: "dash" },
      error_y: {
        type: "data", symmetric: false, color: ink("--ink"), thickness: 1, width: 4,
        array: [0, (forecast.total_kg - forecast.total_low_kg) / shown.kg], arrayminus: [0, (forecast.total_high_kg - forecast.total_kg) / shown.kg],
      },
    }));
  }
  await Plotly.react(element, traces, {
    margin: { l: narrow ? 44 : 58, r: 10, t: 10, b: 34 }, dragmode: false, hovermode: "closest",
    ...ground(ink, style.fontFamily, narrow),
    showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    xaxis: { type: "date", range: ends, fixedrange: true, showgrid: false, nticks: narrow ? 4 : 7, linecolor: ink("--line"), tickformat: budget.window === "year" ? "%b" : "%d" },
    yaxis: { automargin: true, fixedrange: true, gridcolor: ink("--line"), zeroline: true, zerolinecolor: ink("--ink"), tickformat: ",.3~r", ticksuffix: ` ${shown.unit}`, nticks: 6 },
  }, CONFIG);
}
