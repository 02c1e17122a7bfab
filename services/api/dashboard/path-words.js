// What the figures of a path say, in words: a figure that is not known is never read as zero.

import { NO_DATA, massText } from "./format.js";

const days = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });

/** How long a mass lasts at a rate. */
export function lastsWords(count, leftKg, rateKgDay) {
  if (leftKg === null) return NO_DATA;
  if (leftKg <= 0) return "nothing is left";
  if (rateKgDay !== null && rateKgDay <= 0) return "as long as nothing is emitted";
  if (count === null) return NO_DATA;
  return `${days.format(Math.floor(count))} days`;
}

export function gapWords({ gap_kg: gap }) {
  if (gap === null) return NO_DATA;
  return gap > 0 ? `${massText(gap)} more than allowed` : `${massText(-gap)} less than allowed`;
}

/** The trend, and where it leads. */
export function trendWords({ trend_kg_a_year: trend, crosses_year: crosses, last_year: last, year }) {
  if (trend === null) return [NO_DATA, "two years have to be known to 90 %"];
  const words = trend > 0 ? `${massText(trend)} a year up` : `${massText(-trend)} a year down`;
  if (crosses === null) return [words, last === null ? "" : `below the path up to ${last}, if it goes on`];
  return [words, crosses === year ? "above the path this year" : `above the path from ${crosses} on, if it goes on`];
}

/** Whether emissions have peaked, how far one may say so, and what the weather has in it. */
export function peakWords(s, timezone) {
  const [verdict, words] = peakItself(s, timezone);
  if (s.below_peak_at_same_weather_kg === null) return [verdict, s.weather_reason ? `${words}; ${s.weather_reason}` : words];
  const same = s.below_peak_at_same_weather_kg;
  const side = same < 0 ? `${massText(-same)} above` : `${massText(same)} below`;
  const judged = s.peak_at_same_weather === s.peak ? "" : `, and by that ${AT_SAME_WEATHER[s.peak_at_same_weather]}`;
  return [verdict, `${words}; at the same weather ${side} it${judged}`];
}

const AT_SAME_WEATHER = {
  highest: "the highest so far", unclear: "within the band", below: "beyond the band", peaked: "a peak", unknown: "not told",
};

function peakItself(s, timezone) {
  const when = s.highest_365d_until === null ? "" : date(s.highest_365d_until, timezone);
  const below = s.below_peak_kg === null ? "" : `${massText(s.below_peak_kg)} below the highest 365 days, until ${when}`;
  const band = s.below_peak_half_kg === null ? "" : ` (± ${massText(s.below_peak_half_kg)})`;
  switch (s.peak) {
    case "highest": return ["not yet", "the newest 365 days are the highest so far"];
    case "unclear": return ["unclear", `${below}: within the band${band}`];
    case "below": return ["not told yet", `${below}${band}, but both have days in common`];
    case "peaked": return ["yes", `${below}${band}`];
    case "unknown": return ["not told", `${below}; a source does not state its uncertainty`];
    default: return [NO_DATA, "no 365 days are known to 90 %"];
  }
}

function date(text, timeZone) {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone }).format(Date.parse(text));
}
