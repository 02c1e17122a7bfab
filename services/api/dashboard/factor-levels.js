// What running totals counted by, of sources with factors by the hour: each hour's own, or a mean.

import { massText, percent } from "./format.js";
import { t } from "./words.js";

/** By what a mass may have counted, in the order in which it is told. */
const LEVELS = {
  hour: (share) => t("{share} by the hour's", { share }),
  month: (share) => t("{share} fell back to the zone's month", { share }),
  year: (share) => t("{share} fell back to the zone's year", { share }),
  other: (share) => t("{share} fell back to another factor", { share }),
  figures: (share) => t("{share} before or after there were factors by the hour", { share }),
};

/** Put what the running day, month and year counted by to the totals of the facility and its sources. */
export function joinLevels({ totals, sources, hourly_factors: factors }) {
  if (factors === null) return;
  join(totals, factors.totals);
  for (const { source, totals: levels } of factors.sources) {
    const shown = sources.find(({ id }) => id === source);
    if (shown) join(shown.totals, levels);
  }
}

function join(totals, levels) {
  for (const window of Object.keys(levels)) totals[window].levels = levels[window];
}

/** Such as "92 % by the hour's, 8 % fell back to the zone's month", of which part of a total. */
export function levelWords({ levels, co2_kg: kg }) {
  if (!levels || levels.hour === null) return [];
  const mass = massText(levels.co2_kg);
  const shares = Object.keys(LEVELS).filter((level) => levels[level] > 0);
  return [
    mass === massText(kg) ? t("by hourly factors:") : t("of {mass} CO₂ by hourly factors:", { mass }),
    ...shares.map((level) => LEVELS[level](percent(levels[level]))),
  ];
}
