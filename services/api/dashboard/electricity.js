// What contracts supply of the electricity, so far: matched share, carbon-free share, hours that
// are not wholly supplied, and how much of that is known and closed.

import { node } from "./dom.js";
import { NO_DATA, clock, energyText, percent } from "./format.js";
import { t } from "./words.js";

const WINDOWS = [["hour", t("This hour")], ["today", t("Today")], ["month", t("This month")], ["year", t("This year")]];

/** Within which time a rule matches, where that is longer than an hour. */
const PERIODS = { monthly: "month", annual: "year", "ghgp-2015": "year" };
const MAY_CHANGE = {
  month: t("the rest of the month may still change what is matched"),
  year: t("the rest of the year may still change what is matched"),
};

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
    draft ? t("rule {match}, which is a draft", { match }) : t("rule {match}", { match }),
    t("provisional while its hours, days and years go on"),
    ...(certificates ? [t("certificates that are retired later add to it")] : []),
    t("read at {time}", { time: clock(Date.parse(at), timezone) }),
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
  if (matched === null) return { value: null, words: t("no consumption") };
  return { value: percent(matched), words: t("matched of {energy}", { energy: energyText(load) }) };
}

function lines(match) {
  const { matched_share: matched, hourly_share: hourly, cfe_share: cfe, known_hours: hours } = match;
  if (matched === null) return [];
  const period = longestPeriod(match.match);
  return [
    ...(period ? [t("{share} with each hour by itself", { share: percent(hourly) })] : []),
    cfe === null ? t("CFE unknown: the grid's carbon-free part is not stated") : t("CFE {share}", { share: percent(cfe) }),
    t("{n} of {hours} h not wholly supplied", { n: match.unmatched_hours, hours }),
  ];
}

/** What is not known, or may still change. */
function doubts(match) {
  const { coverage, supply_coverage: supply, known_hours: hours, final_hours: closed } = match;
  const period = longestPeriod(match.match);
  return [
    ...(hours > closed ? [t("provisional: {n} of {hours} known h not closed", { n: hours - closed, hours })] : []),
    ...(period && match.matched_share !== null ? [MAY_CHANGE[period]] : []),
    ...(coverage < 1 ? [t("{share} of the consumption's time known", { share: percent(coverage) })] : []),
    ...(supply !== null && supply < 1 ? [t("{share} of the supply's time known; the rest counts as none", { share: percent(supply) })] : []),
  ];
}

const longestPeriod = (rules) => {
  const periods = rules.split(" ").map((name) => PERIODS[name]);
  return periods.includes("year") ? "year" : periods.find(Boolean);
};
