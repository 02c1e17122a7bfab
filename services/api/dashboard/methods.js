// How a bar came about, where it was not measured: its share, word and pattern.

import { percent } from "./format.js";

export const METHODS = [
  { share: "share_substituted", word: "substituted", shape: "." },
  { share: "share_estimated", word: "estimated", shape: "x" },
];

/** A smaller part of an interval without data is the space between two readings. */
export const GAP = 0.01;

/** What is said of how a bar came about; undefined: it was measured, or there is none. */
export const methodOf = (row) => METHODS.find(({ share }) => row?.[share] > 0);

/** In words, what of an interval was not measured. */
export function notMeasured(row) {
  const said = METHODS.filter(({ share }) => row?.[share] > 0).map(({ share, word }) => `${percent(row[share])} ${word}`);
  if (row?.share_missing > GAP) said.push(`${percent(row.share_missing)} without data`);
  return said;
}

/** The pattern of bars by their rows, for the chart library. */
export const patterns = (rows, ink) => ({
  shape: rows.map((row) => methodOf(row)?.shape ?? ""), size: 5, solidity: 0.4, fillmode: "overlay", fgcolor: ink("--card"),
});

/** The hatching of time without data, for the chart library. */
export const hatching = (ink) => ({
  color: "rgba(0,0,0,0)", line: { width: 0 },
  pattern: { shape: "/", size: 6, solidity: 0.16, fgcolor: ink("--quiet"), fillmode: "overlay" },
});
