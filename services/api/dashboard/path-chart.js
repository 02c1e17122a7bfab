// The years of a path as two charts: each by itself, and all since the base year.

import { ground, loadLibrary } from "./chart.js";
import { massText } from "./format.js";
import { LARGE } from "./masses.js";
import { t } from "./words.js";

const NARROW_PX = 420;

/** Draw allowed and actual masses of `years`, and the forecast of the running one, into `element`. */
export async function drawYears(element, years, standing, forecast) {
  if (years.every(({ allowed_kg: allowed, actual_kg: actual }) => allowed === null && actual === null)) return;
  const Plotly = await loadLibrary();
  element.replaceChildren();
  const each = figure(element, t("By year"));
  const sums = figure(element, t("Since the base year"));
  const draw = () => {
    const style = getComputedStyle(document.documentElement);
    const ink = (name) => style.getPropertyValue(name).trim();
    each.describe(summary(standing, forecast));
    sums.describe(t("{mass} emitted, {allowed} allowed so far", {
      mass: massText(standing.actual_to_date_kg), allowed: massText(standing.allowed_to_date_kg),
    }));
    const font = style.fontFamily;
    Plotly.react(each.plot, byYear(years, standing, forecast, ink), layout(each.plot, ink, font, years), CONFIG);
    Plotly.react(sums.plot, summed(years, standing, ink), layout(sums.plot, ink, font, years), CONFIG);
  };
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => element.isConnected && draw());
}

const CONFIG = { displayModeBar: false, responsive: true };

function figure(element, title) {
  const box = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const plot = document.createElement("div");
  plot.className = "plot";
  plot.setAttribute("role", "img");
  caption.textContent = title;
  box.append(caption, plot);
  element.append(box);
  return { plot, describe: (detail) => plot.setAttribute("aria-label", t("{title}: {detail}", { title, detail })) };
}

function summary({ year, actual_kg: actual, allowed_kg: allowed }, forecast) {
  const masses = { year, mass: massText(actual), allowed: massText(allowed) };
  if (!forecast?.total_kg) return t("{mass} of {allowed} emitted in {year}", masses);
  return t("{mass} of {allowed} emitted in {year}, {expected} expected", { ...masses, expected: massText(forecast.total_kg) });
}

const large = (kg) => (kg === null ? null : kg / LARGE.kg);

function line(years, key, name, colour, dash) {
  return {
    type: "scatter", mode: "lines+markers", name, x: years.map(({ year }) => year), y: years.map((year) => large(year[key])),
    line: { color: colour, width: 2, dash }, marker: { size: 4 }, connectgaps: false,
    hovertemplate: `%{x}: <b>%{y:,.4~r} ${LARGE.unit}</b> ${name}<extra></extra>`,
  };
}

function byYear(years, standing, forecast, ink) {
  const bars = (origins, name, colour) => {
    const some = years.filter(({ origin }) => origins.includes(origin));
    return {
      type: "bar", name, x: some.map(({ year }) => year), y: some.map(({ actual_kg: kg }) => large(kg)),
      marker: { color: colour }, hovertemplate: `%{x}: <b>%{y:,.4~r} ${LARGE.unit}</b> ${name}<extra></extra>`,
    };
  };
  const traces = [
    bars(["measured", "both"], t("emitted"), ink("--accent")),
    bars(["stated"], t("stated"), ink("--quiet")),
  ];
  if (forecast?.total_kg) {
    traces.push({
      type: "bar", name: t("expected"), x: [standing.year], y: [large(forecast.rest_kg)],
      marker: {
        color: "rgba(0,0,0,0)", line: { color: ink("--accent"), width: 1 },
        pattern: { shape: "/", size: 6, solidity: 0.3, fgcolor: ink("--accent"), fillmode: "overlay" },
      },
      error_y: {
        type: "data", symmetric: false, color: ink("--ink"), thickness: 1, width: 4,
        array: [large(forecast.total_high_kg - forecast.total_kg)], arrayminus: [large(forecast.total_kg - forecast.total_low_kg)],
      },
      hovertemplate: `%{x}: <b>%{y:,.4~r} ${LARGE.unit}</b> ${t("expected of the rest, not measured")}<extra></extra>`,
    });
  }
  traces.push(line(years, "allowed_kg", t("allowed"), ink("--warn"), "solid"));
  return traces.filter(({ x }) => x.length > 0);
}

const summed = (years, standing, ink) => [
  line(years, "cumulative_allowed_kg", t("allowed"), ink("--warn"), "solid"),
  line(years.filter(({ year }) => year <= standing.year), "cumulative_actual_kg", t("emitted"), ink("--accent"), "solid"),
];

/** Whether all masses of the years are below one of the unit, which "k t" and the like cannot tell. */
function isSmall(years) {
  return years.every((year) => ["cumulative_allowed_kg", "cumulative_actual_kg", "actual_kg"].every((key) => (year[key] ?? 0) < LARGE.kg));
}

function layout(plot, ink, family, years) {
  const narrow = plot.clientWidth < NARROW_PX;
  return {
    barmode: "stack", bargap: 0.25, dragmode: false, hovermode: "closest",
    margin: { l: narrow ? 44 : 58, r: 10, t: 10, b: 34 },
    ...ground(ink, family, narrow),
    showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    xaxis: { fixedrange: true, showgrid: false, tickformat: "d", tickangle: 0, nticks: narrow ? 4 : 8, linecolor: ink("--line") },
    yaxis: { automargin: true, fixedrange: true, rangemode: "tozero", gridcolor: ink("--line"), zeroline: false, tickformat: isSmall(years) ? ",.3~r" : "~s", ticksuffix: ` ${LARGE.unit}`, nticks: 6 },
  };
}
