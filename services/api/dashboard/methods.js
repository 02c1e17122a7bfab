// How a bar came about, where it was not measured: its share, its mark in charts and legends, its word,
// and its share in words.

import { percent } from "./format.js";
import { t } from "./words.js";

export const METHODS = [
  {
    share: "share_substituted", mark: "substituted", word: t("substituted"),
    said: (share) => t("{share} substituted", { share }),
  },
  {
    share: "share_estimated", mark: "estimated", word: t("estimated"),
    said: (share) => t("{share} estimated", { share }),
  },
];

/** A smaller part of an interval without data is the space between two readings. */
export const GAP = 0.01;

/** What is said of how a bar came about; undefined: it was measured, or there is none. */
export const methodOf = (row) => METHODS.find(({ share }) => row?.[share] > 0);

/** In words, what of an interval was not measured. */
export function notMeasured(row) {
  const said = METHODS.filter(({ share }) => row?.[share] > 0).map(({ share, said: inWords }) => inWords(percent(row[share])));
  if (row?.share_missing > GAP) said.push(t("{share} without data", { share: percent(row.share_missing) }));
  return said;
}
