// What contracts supply of the electricity, so far: matched share, carbon-free share, hours that
// are not wholly supplied, and how much of that is known and closed.

import { node } from "./dom.js";
import { NO_DATA, clock, energyText, percent } from "./format.js";

const WINDOWS = [["hour", "This hour"], ["today", "Today"], ["month", "This month"], ["year", "This year"]];

/** Within which time a rule matches, where that is longer than an hour. */
const PERIODS = { monthly: "month", annual: "year", "ghgp-2015": "year" };

/** Draw the card of a facility whose file states contracts; `electricity` is null for others. */
export function drawElectricity(card, electricity, timezone) {
  card.hidden = electricity === null;
  if (electricity === null) return;
  card.querySelector("#electricity-rule").textContent = rule(electricity, timezone);
  card.querySelector("#electricity-windows").replaceChildren(
    ...WINDOWS.map(([window, title]) => tile(window, title, electricity.totals[window])),
  );
}

function rule({ totals, by_certificates: certificates, as_of: at }, timezone) {
  const { match, match_draft: draft } = totals.hour;
  return [
    `rule ${match}${draft ? ", which is a draft" : ""}`,
    "provisional while its hours, days and years go on",
    ...(certificates ? ["certificates that are retired later add to it"] : []),
    `read at ${clock(Date.parse(at), timezone)}`,
  ].join(" · ");
}

function tile(window, title, match) {
  const { value, words } = share(match);
  const item = node("li", {},
    node("p", { className: "window", textContent: title }),
    node("p", { className: value === null ? "share unknown" : "share" }, value ?? words,
      ...(value === null ? [] : [node("small", { textContent: ` ${words}` })])),
    node("p", { className: "lines" },
      ...lines(match).map((text) => node("span", { textContent: text })),
      ...doubts(match).map((text) => node("span", { className: "doubt", textContent: text }))));
  item.dataset.window = window;
  return item;
}

/** Without consumption there is no share; without data nobody knows. */
function share({ load_kwh: load, matched_share: matched }) {
  if (load === null) return { value: null, words: NO_DATA };
  if (matched === null) return { value: null, words: "no consumption" };
  return { value: percent(matched), words: `matched of ${energyText(load)}` };
}

function lines(match) {
  const { matched_share: matched, hourly_share: hourly, cfe_share: cfe, known_hours: hours } = match;
  if (matched === null) return [];
  const period = longestPeriod(match.match);
  return [
    ...(period ? [`${percent(hourly)} with each hour by itself`] : []),
    cfe === null ? "CFE unknown: the grid's carbon-free part is not stated" : `CFE ${percent(cfe)}`,
    `${match.unmatched_hours} of ${hours} h not wholly supplied`,
  ];
}

/** What is not known, or may still change. */
function doubts(match) {
  const { coverage, supply_coverage: supply, known_hours: hours, final_hours: closed } = match;
  const period = longestPeriod(match.match);
  return [
    ...(hours > closed ? [`provisional: ${hours - closed} of ${hours} known h not closed`] : []),
    ...(period && match.matched_share !== null ? [`the rest of the ${period} may still change what is matched`] : []),
    ...(coverage < 1 ? [`${percent(coverage)} of the consumption's time known`] : []),
    ...(supply !== null && supply < 1 ? [`${percent(supply)} of the supply's time known; the rest counts as none`] : []),
  ];
}

const longestPeriod = (rules) => {
  const periods = rules.split(" ").map((name) => PERIODS[name]);
  return periods.includes("year") ? "year" : periods.find(Boolean);
};
