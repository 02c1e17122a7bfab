// One path: what is left, how it goes, whether it has peaked, what is expected, and its years.

import { node } from "./dom.js";
import { FIGURES } from "./figures.js";
import { NO_DATA, massText, percent } from "./format.js";
import { drawYears } from "./path-chart.js";
import { gapWords, lastsWords, peakWords, trendWords } from "./path-words.js";

let cards = 0;

/** Build the card of a path; `draw(forecasts)` completes it once it is in the page. */
export function pathCard(standing, years, timezone) {
  const element = node("section", { className: "card path" });
  const title = node("h2", { id: `path-${++cards}`, textContent: `Scope ${standing.scope}, ${FIGURES[standing.figure].name}` });
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
    drawYears(charts, years, standing, forecasts.find(({ horizon }) => horizon === "year")).catch(console.warn);
  };
  return { element, standing, draw };
}

function rule({ facility, policy, policy_source: source, base_year: year, base_kg: kg, base_version: version }) {
  const base = kg === null ? `base year ${year} not known yet` : `base year ${year}: ${massText(kg)}${version > 1 ? `, version ${version}` : ""}`;
  const sites = facility.includes(" ") ? ` · sum of ${facility.split(" ").join(", ")}` : "";
  return `${policy}${source ? ` (${source})` : ""} · ${base}${sites}`;
}

function facts(s, timezone) {
  const known = s.known_share === null ? "" : `, ${percent(s.known_share)} of the time known`;
  const silent = s.silent_sources ? `; without ${s.silent_sources.split(" ").join(", ")}` : "";
  return node("dl", { className: "facts" },
    ...fact(`Left of ${s.year}`, left(s.year_left_kg), `${emitted(s)}${known}`),
    ...fact("That lasts", lastsWords(s.year_days_left, s.year_left_kg, s.rate_kg_day), s.rate_kg_day === null ? "no rate is known" : `at ${massText(s.rate_kg_day)} a day, as in the last 24 hours${silent}`),
    ...fact("Left of the budget", left(s.budget_left_kg), s.budget_kg === null ? "" : `of ${massText(s.budget_kg)} up to ${s.last_year}: ${budgetLasts(s)}`),
    ...fact("Against the path so far", gapWords(s), gapBand(s)),
    ...fact("Trend", ...trendWords(s)),
    ...fact("Peak", ...peakWords(s, timezone)),
    ...fact("Neutral", s.neutral_year ?? NO_DATA, neutral(s)),
  );
}

const left = (kg) => (kg !== null && kg < 0 ? `${massText(-kg)} too much` : massText(kg));

function emitted({ actual_kg: actual, allowed_kg: allowed }) {
  if (actual === null) return allowed === null ? "nothing is known of it" : `${massText(allowed)} allowed; nothing is known of what is emitted`;
  return allowed === null ? `${massText(actual)} emitted` : `${massText(actual)} of ${massText(allowed)} emitted`;
}

function budgetLasts(s) {
  if (s.last_year !== null && s.year > s.last_year) return "the path is over, and its last allowance holds on";
  return `${lastsWords(s.days_left, s.budget_left_kg, s.rate_kg_day)} at today's rate`;
}

function neutral({ neutral_year: year, residual_kg: residual }) {
  if (year === null) return "the path does not come down to what may stay";
  return residual > 0
    ? `only if the ${massText(residual)} that stay are removed for good each year; the table of years tells when that was so`
    : "nothing may be emitted from then on";
}

function gapBand({ gap_low_kg: low, gap_high_kg: high, gap_kg: gap }) {
  if (gap === null) return "";
  if (low === null) return "no band: a source does not state its uncertainty";
  return `95 % interval: ${massText(low)} to ${massText(high)}`;
}

function fact(name, value, words) {
  return [node("div", {},
    node("dt", { textContent: name }),
    node("dd", {}, node("strong", { textContent: `${value}` }), node("span", { className: "quiet", textContent: words })))];
}

/** Forecasts in words: what is known, what is expected, and that nobody measured it. */
function forecastLines(forecasts) {
  if (forecasts.length === 0) return [];
  const names = { day: "Today", month: "This month", year: "This year" };
  const lines = forecasts.map((row) => node("li", {},
    node("span", { className: "window", textContent: names[row.horizon] }),
    node("span", { textContent: row.total_kg === null
      ? `no forecast: ${row.reason}`
      : `${massText(row.total_kg)} (${massText(row.total_low_kg)} to ${massText(row.total_high_kg)}), of which ${massText(row.known_kg ?? 0)} is known` }),
  ));
  return [
    node("h3", { textContent: "Expected" }),
    node("p", { className: "quiet", textContent: "A forecast from what was emitted before, with a 90 % interval; it is not measured, and no other figure here has it." }),
    node("ul", {}, ...lines),
  ];
}

function yearTable(years, running, title) {
  const heads = ["Year", "Allowed", "Emitted", "Known", "Allowed since the base year", "Emitted since the base year", "Removed for good", "Neutral"];
  // of what is to come nothing can be known yet
  const soFar = (year, key) => (year.year > running ? "–" : massText(year[key]));
  const rows = years.map((year) => node("tr", {}, ...[
    `${year.year}`,
    massText(year.allowed_kg),
    soFar(year, "actual_kg"),
    year.origin === null ? "–" : year.known_share === null ? year.origin : `${percent(year.known_share)} ${year.origin}`,
    massText(year.cumulative_allowed_kg),
    soFar(year, "cumulative_actual_kg"),
    soFar(year, "permanent_kg"),
    year.neutral === null ? "–" : year.neutral ? "yes" : "no",
  ].map((text, index) => {
    const cell = node(index ? "td" : "th", { textContent: text });
    if (index) cell.dataset.label = heads[index];
    else cell.scope = "row";
    return cell;
  })));
  const table = node("table", { className: "years" },
    node("thead", {}, node("tr", {}, ...heads.map((head) => node("th", { scope: "col", textContent: head })))),
    node("tbody", {}, ...rows));
  table.setAttribute("aria-label", `Years of ${title}`);
  return node("details", {}, node("summary", { textContent: "All years as a table" }), node("div", { className: "scroll" }, table));
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;
