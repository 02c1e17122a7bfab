// The years of a path as two charts: each by itself, and all since the base year.

import { node } from "./dom.js";
import { massText } from "./format.js";
import { drawLegend } from "./legend.js";
import { LARGE } from "./masses.js";
import { drawPlot } from "./plot.js";
import { t } from "./words.js";

const ALLOWED = { name: t("allowed"), colour: "var(--warn)", mark: "line warn" };
const EMITTED = { name: t("emitted"), colour: "var(--accent)" };
const STATED = { name: t("stated"), colour: "var(--quiet)" };
const EXPECTED = { name: t("expected"), colour: "transparent", className: "forecast" };
/** The part of a year's width that its bar takes. */
const WIDTH = 0.75;

/** Draw allowed and actual masses of `years`, and the forecast of the running one, into `element`. */
export function drawYears(element, years, standing, forecast) {
  if (years.every(({ allowed_kg: allowed, actual_kg: actual }) => allowed === null && actual === null)) return;
  element.replaceChildren();
  const plots = [
    [t("By year"), summary(standing, forecast), byYear(years, standing, forecast)],
    [t("Since the base year"), t("{mass} emitted, {allowed} allowed so far", {
      mass: massText(standing.actual_to_date_kg), allowed: massText(standing.allowed_to_date_kg),
    }), summed(years, standing)],
  ];
  for (const [title, detail, shown] of plots) drawPlot(figure(element, title, detail, shown), shown);
}

function figure(element, title, detail, { series, lines }) {
  const plot = node("div", { className: "plot", role: "img", ariaLabel: t("{title}: {detail}", { title, detail }) });
  const legend = node("ul", { className: "legend" });
  drawLegend(legend, [
    ...series.map(({ name, colour, className }) => ({ name, ...(className ? { mark: className } : { colour }) })),
    ...lines.map(({ name, mark }) => ({ name, mark })),
  ]);
  element.append(node("figure", {}, node("figcaption", { textContent: title }), legend, plot));
  return plot;
}

function summary({ year, actual_kg: actual, allowed_kg: allowed }, forecast) {
  const masses = { year, mass: massText(actual), allowed: massText(allowed) };
  if (!forecast?.total_kg) return t("{mass} of {allowed} emitted in {year}", masses);
  return t("{mass} of {allowed} emitted in {year}, {expected} expected", { ...masses, expected: massText(forecast.total_kg) });
}

const large = (kg) => (kg === null || kg === undefined ? null : kg / LARGE.kg);
const text = (year, kg, name) => [String(year), `${name}: ${massText(kg)}`];

function line(years, key, how) {
  return { ...how, hasDots: true, points: years.map((year) => ({ x: year.year, y: large(year[key]), text: text(year.year, year[key], how.name) })) };
}

const axes = (years) => ({
  x: {
    from: years[0].year - 0.6, to: years.at(-1).year + 0.6,
    ticks: (isNarrow) => everyYear(years, isNarrow ? 5 : 10),
  },
  y: { suffix: ` ${LARGE.unit}` },
});

function everyYear(years, wanted) {
  const step = Math.ceil(years.length / wanted);
  return years.filter((_, i) => i % step === 0).map(({ year }) => ({ at: year, text: String(year) }));
}

function byYear(years, standing, forecast) {
  const bars = (how, kgOf, name = how.name) => ({
    ...how, key: how.name, values: years.map((year) => large(kgOf(year))),
    texts: years.map((year) => text(year.year, kgOf(year), name)),
  });
  const actual = (...origins) => ({ origin, actual_kg: kg }) => (origins.includes(origin) ? kg : null);
  const rest = ({ year }) => (forecast?.total_kg && year === standing.year ? forecast.rest_kg : null);
  const series = [
    bars(EMITTED, actual("measured", "both")),
    bars(STATED, actual("stated")),
    { ...bars(EXPECTED, rest, t("expected of the rest, not measured")), patterns: years.map(() => "expected") },
  ].filter(({ values }) => values.some((value) => value !== null));
  return {
    ...axes(years),
    bars: years.map(({ year }) => ({ begin: year - WIDTH / 2, end: year + WIDTH / 2 })),
    series, isStacked: true,
    lines: [line(years, "allowed_kg", ALLOWED)],
    whiskers: forecast?.total_kg ? [{ x: standing.year, low: large(forecast.total_low_kg), high: large(forecast.total_high_kg) }] : [],
  };
}

const summed = (years, standing) => ({
  ...axes(years), series: [],
  lines: [
    line(years, "cumulative_allowed_kg", ALLOWED),
    line(years.filter(({ year }) => year <= standing.year), "cumulative_actual_kg", { ...EMITTED, mark: "line" }),
  ],
});
