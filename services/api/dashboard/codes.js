// What the API answers by a code, in the reader's language; a code that is not here stands as it is.

import { t } from "./words.js";

const said = (words) => (code) => words[code] ?? code;

export const severityWords = said({ critical: t("critical"), warning: t("warning"), info: t("info") });

/** Of an alert, and of a step of it. */
export const alertStateWords = said({
  firing: t("firing"), "no-data": t("no data"), "firing-no-data": t("firing, no data"), resolved: t("resolved"),
  inactive: t("inactive"), pending: t("pending"),
});

/** Of an hour or interval, and of a reading. */
export const qualityWords = said({
  measured: t("measured"), partial: t("partly known"), missing: t("missing"), substituted: t("substituted"),
  estimated: t("estimated"), good: t("good"), uncertain: t("uncertain"), bad: t("bad"),
  calibration: t("calibration"), maintenance: t("maintenance"), "above-range": t("above range"),
});

/** Of an hour: whether readings may still come. */
export const stateWords = said({ provisional: t("provisional"), final: t("final") });

/** Why a version of an hour came to be. */
export const reasonWords = said({
  open: t("open"), closed: t("closed"),
  "late readings": t("late readings"), "value held on": t("value held on"),
  "accepted correction": t("accepted correction"), "better reading": t("better reading"),
  "newer reading": t("newer reading"), "discarded reading": t("discarded reading"),
  "factor version": t("factor version"), "channel configuration": t("channel configuration"),
  "register epoch": t("register epoch"), "source configuration": t("source configuration"),
  "source added": t("source added"), "substitution resolved": t("substitution resolved"),
  recomputation: t("recomputation"),
});

/** What a threshold watches. */
export const measureWords = said({
  rate: t("rate"), total: t("total"), coverage: t("coverage"), budget: t("budget"), pathway: t("path"),
  value: t("value"), average: t("average"), silence: t("silence"), quarantine: t("quarantine"),
  allowance: t("allowance"), intensity: t("intensity"),
});

/** The time that a total covers. */
export const windowWords = said({
  hour: t("hour"), day: t("day"), today: t("today"), month: t("month"), year: t("year"),
});
