// What the figures of a path say, in words: a figure that is not known is never read as zero.

import { NO_DATA, massText, percent } from "./format.js";
import { locale, plural, t } from "./words.js";

/** The forms of a facility's own path; a policy that somebody published keeps its name. */
const POLICIES = {
  stated: t("stated"), contraction: t("contraction"), sda: t("sectoral decarbonisation"),
  "peak-then-neutral": t("peak, then neutral"),
};
/** Where the emission of a year comes from. */
const ORIGINS = { measured: t("measured"), stated: t("stated"), both: t("both") };

export const policyWord = (name) => POLICIES[name] ?? name;

/** Where the emission of a year comes from, and how much of its time is known. */
export function originWords({ origin, known_share: share }) {
  if (origin === null) return "–";
  const word = ORIGINS[origin] ?? origin;
  return share === null ? word : t("{share} {origin}", { share: percent(share), origin: word });
}

/** How long a mass lasts at a rate. */
export function lastsWords(count, leftKg, rateKgDay) {
  if (leftKg === null) return NO_DATA;
  if (leftKg <= 0) return t("nothing is left");
  if (rateKgDay !== null && rateKgDay <= 0) return t("as long as nothing is emitted");
  if (count === null) return NO_DATA;
  return plural("{n} day", "{n} days", Math.floor(count));
}

export function gapWords({ gap_kg: gap }) {
  if (gap === null) return NO_DATA;
  return gap > 0 ? t("{mass} more than allowed", { mass: massText(gap) }) : t("{mass} less than allowed", { mass: massText(-gap) });
}

/** The trend, and where it leads. */
export function trendWords({ trend_kg_a_year: trend, crosses_year: crosses, last_year: last, year }) {
  if (trend === null) return [NO_DATA, t("two years have to be known to 90 %")];
  const words = trend > 0 ? t("{mass} a year up", { mass: massText(trend) }) : t("{mass} a year down", { mass: massText(-trend) });
  if (crosses === null) return [words, last === null ? "" : t("below the path up to {year}, if it goes on", { year: last })];
  return [words, crosses === year ? t("above the path this year") : t("above the path from {year} on, if it goes on", { year: crosses })];
}

/** Whether emissions have peaked, how far one may say so, and what the weather has in it. */
export function peakWords(s, timezone) {
  const [verdict, words] = peakItself(s, timezone);
  const others = s.below_peak_at_same_weather_kg === null ? [s.weather_reason] : sameWeather(s);
  return [verdict, others.filter(Boolean).reduce((first, second) => t("{first}; {second}", { first, second }), words)];
}

function sameWeather({ below_peak_at_same_weather_kg: kg, peak_at_same_weather: judged, peak }) {
  const side = kg < 0
    ? t("at the same weather {mass} above it", { mass: massText(-kg) })
    : t("at the same weather {mass} below it", { mass: massText(kg) });
  return [side, judged === peak ? "" : AT_SAME_WEATHER[judged]];
}

const AT_SAME_WEATHER = {
  highest: t("by that the highest so far"), unclear: t("by that within the band"), below: t("by that beyond the band"),
  peaked: t("by that a peak"), unknown: t("by that not told"),
};

function peakItself(s, timezone) {
  const half = s.below_peak_half_kg === null ? "" : ` (± ${massText(s.below_peak_half_kg)})`;
  const below = {
    mass: `${massText(s.below_peak_kg)}${half}`,
    day: s.highest_365d_until === null ? NO_DATA : date(s.highest_365d_until, timezone),
  };
  switch (s.peak) {
    case "highest": return [t("not yet"), t("the newest 365 days are the highest so far")];
    case "unclear": return [t("unclear"), t("{mass} below the highest 365 days, until {day}: within the band", below)];
    case "below": return [t("not told yet"), t("{mass} below the highest 365 days, until {day}, but both have days in common", below)];
    case "peaked": return [t("yes"), t("{mass} below the highest 365 days, until {day}", below)];
    case "unknown": return [t("not told"), t("{mass} below the highest 365 days, until {day}; a source does not state its uncertainty", below)];
    default: return [NO_DATA, t("no 365 days are known to 90 %")];
  }
}

function date(text, timeZone) {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone }).format(Date.parse(text));
}
