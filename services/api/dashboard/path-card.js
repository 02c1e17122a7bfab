// One path: what is left, how it goes, whether it has peaked, what is expected, and its years.

import { heads, node } from "./dom.js";
import { FIGURES } from "./figures.js";
import { NO_DATA, massText, percent } from "./format.js";
import { drawYears } from "./path-chart.js";
import { gapWords, lastsWords, originWords, peakWords, policyWord, trendWords } from "./path-words.js";
import { t } from "./words.js";

let cards = 0;

/** Build the card of a path; `draw(forecasts)` completes it once it is in the page. */
export function pathCard(standing, years, timezone) {
  const element = node("section", { className: "card path" });
  const title = node("h2", { id: `path-${++cards}`, textContent: t("Scope {scope}, {figure}", { scope: standing.scope, figure: FIGURES[standing.figure].name }) });
  element.setAttribute("aria-labelledby", title.id);
  element.dataset.scope = standing.scope;
  const expected = node("div", { className: "expected" });
  const charts = node("div", { className: "charts" });
  element.append(
    node("div", { className: "head" }, title, node("p", { className: "quiet", textContent: rule(standing) })),
    ...(standing.reason ? [node("p", { className: "quiet why", textContent: sentence(standing.reason) })] : []),
    facts(standing, timezone),
    expected,
    charts,
    yearTable(years, standing.year, title.textContent),
  );
  const draw = (forecasts) => {
    expected.replaceChildren(...forecastLines(forecasts));
    drawYears(charts, years, standing, forecasts.find(({ horizon }) => horizon === "year"));
  };
  return { element, standing, draw };
}

function rule({ facility, policy, policy_source: source, base_year: year, base_kg: kg, base_version: version }) {
  return [
    source ? `${policyWord(policy)} (${source})` : policyWord(policy),
    base(year, kg, version),
    ...(facility.includes(" ") ? [t("sum of {facilities}", { facilities: facility.split(" ").join(", ") })] : []),
  ].join(" · ");
}

function base(year, kg, version) {
  if (kg === null) return t("base year {year} not known yet", { year });
  const mass = massText(kg);
  return version > 1
    ? t("base year {year}: {mass}, version {version}", { year, mass, version })
    : t("base year {year}: {mass}", { year, mass });
}

function facts(s, timezone) {
  return node("dl", { className: "facts" },
    ...fact(t("Left of {year}", { year: s.year }), left(s.year_left_kg), emittedAndKnown(s)),
    ...fact(t("That lasts"), lastsWords(s.year_days_left, s.year_left_kg, s.rate_kg_day), atRate(s)),
    ...fact(t("Left of the budget"), left(s.budget_left_kg), ofBudget(s)),
    ...fact(t("Against the path so far"), gapWords(s), gapBand(s)),
    ...fact(t("Trend"), ...trendWords(s)),
    ...fact(t("Peak"), ...peakWords(s, timezone)),
    ...fact(t("Neutral"), s.neutral_year ?? NO_DATA, neutral(s)),
  );
}

const left = (kg) => (kg !== null && kg < 0 ? t("{mass} too much", { mass: massText(-kg) }) : massText(kg));

function emittedAndKnown(s) {
  const words = emitted(s);
  return s.known_share === null ? words : t("{words}, {share} of the time known", { words, share: percent(s.known_share) });
}

function emitted({ actual_kg: actual, allowed_kg: allowed }) {
  const masses = { mass: massText(actual), allowed: massText(allowed) };
  if (actual === null) {
    return allowed === null ? t("nothing is known of it") : t("{allowed} allowed; nothing is known of what is emitted", masses);
  }
  return allowed === null ? t("{mass} emitted", masses) : t("{mass} of {allowed} emitted", masses);
}

function atRate({ rate_kg_day: rate, silent_sources: silent }) {
  if (rate === null) return t("no rate is known");
  const mass = massText(rate);
  return silent
    ? t("at {mass} a day, as in the last 24 hours; without {sources}", { mass, sources: silent.split(" ").join(", ") })
    : t("at {mass} a day, as in the last 24 hours", { mass });
}

function ofBudget(s) {
  if (s.budget_kg === null) return "";
  return t("of {budget} up to {year}: {lasts}", { budget: massText(s.budget_kg), year: s.last_year, lasts: budgetLasts(s) });
}

function budgetLasts(s) {
  if (s.last_year !== null && s.year > s.last_year) return t("the path is over, and its last allowance holds on");
  return t("{lasts} at today's rate", { lasts: lastsWords(s.days_left, s.budget_left_kg, s.rate_kg_day) });
}

function neutral({ neutral_year: year, residual_kg: residual }) {
  if (year === null) return t("the path does not come down to what may stay");
  if (residual <= 0) return t("nothing may be emitted from then on");
  return t("only if the {mass} that stay are removed for good each year; the table of years tells when that was so", {
    mass: massText(residual),
  });
}

function gapBand({ gap_low_kg: low, gap_high_kg: high, gap_kg: gap }) {
  if (gap === null) return "";
  if (low === null) return t("no band: a source does not state its uncertainty");
  return t("95 % interval: {low} to {high}", { low: massText(low), high: massText(high) });
}

function fact(name, value, words) {
  return [node("div", {},
    node("dt", { textContent: name }),
    node("dd", {}, node("strong", { textContent: `${value}` }), node("span", { className: "quiet", textContent: words })))];
}

/** Forecasts in words: what is known, what is expected, and that nobody measured it. */
function forecastLines(forecasts) {
  if (forecasts.length === 0) return [];
  const names = { day: t("Today"), month: t("This month"), year: t("This year") };
  const lines = forecasts.map((row) => node("li", {},
    node("span", { className: "window", textContent: names[row.horizon] }),
    node("span", { textContent: forecastWords(row) }),
  ));
  return [
    node("h3", { textContent: t("Expected") }),
    node("p", { className: "quiet", textContent: t("A forecast from what was emitted before, with a 90 % interval; it is not measured, and no other figure here has it.") }),
    node("ul", {}, ...lines),
  ];
}

function forecastWords({ total_kg: total, total_low_kg: low, total_high_kg: high, known_kg: known, reason }) {
  if (total === null) return t("no forecast: {reason}", { reason });
  return t("{mass} ({low} to {high}), of which {known} is known", {
    mass: massText(total), low: massText(low), high: massText(high), known: massText(known ?? 0),
  });
}

function yearTable(years, running, title) {
  const names = [
    t("Year"), t("Allowed"), t("Emitted"), t("Known"),
    t("Allowed since the base year"), t("Emitted since the base year"), t("Removed for good"), t("Neutral"),
  ];
  // of what is to come nothing can be known yet
  const soFar = (year, key) => (year.year > running ? "–" : massText(year[key]));
  const rows = years.map((year) => node("tr", {}, ...[
    `${year.year}`,
    massText(year.allowed_kg),
    soFar(year, "actual_kg"),
    originWords(year),
    massText(year.cumulative_allowed_kg),
    soFar(year, "cumulative_actual_kg"),
    soFar(year, "permanent_kg"),
    year.neutral === null ? "–" : year.neutral ? t("yes") : t("no"),
  ].map((text, index) => {
    const cell = node(index ? "td" : "th", { textContent: text });
    if (index) cell.dataset.label = names[index];
    else cell.scope = "row";
    return cell;
  })));
  const table = node("table", { className: "years" },
    node("thead", {}, heads(names)),
    node("tbody", {}, ...rows));
  table.setAttribute("aria-label", t("Years of {title}", { title }));
  return node("details", {}, node("summary", { textContent: t("All years as a table") }), node("div", { className: "scroll" }, table));
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;
