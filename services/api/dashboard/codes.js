// What the API answers by a code, in the reader's language; a code that is not here stands as it is.

import { whoWords } from "./audit-words.js";
import { locale, t } from "./words.js";

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

/** Why an hour is valid by its rule; a rule's own method codes are numbers. */
export const validityWords = said({
  quadrants: t("a data point in each quarter of its operation"),
  "two-points": t("two data points 15 minutes apart, beside a calibration"),
  minutes: t("enough minutes of valid data"), any: t("some valid data"),
});

/** Of an hour: whether readings may still come. */
export const stateWords = said({ provisional: t("provisional"), final: t("final") });

const REASONS = {
  open: t("open"), closed: t("closed"),
  "late readings": t("late readings"), "value held on": t("value held on"),
  "accepted correction": t("accepted correction"), "better reading": t("better reading"),
  "newer reading": t("newer reading"), "discarded reading": t("discarded reading"), "corrected reading": t("corrected reading"),
  "factor version": t("factor version"), "channel configuration": t("channel configuration"),
  "register epoch": t("register epoch"), "source configuration": t("source configuration"),
  "source added": t("source added"), "substitution resolved": t("substitution resolved"),
  recomputation: t("recomputation"),
};

/** Why a version of an hour came to be: a kind, or `kind: cause`. */
export function reasonWords(reason) {
  const [, what, by] = /^((?:discarded|corrected) reading) (by .*)$/s.exec(reason) ?? [];
  if (what !== undefined) return `${REASONS[what]} ${causeWords(by)}`;
  const at = reason.indexOf(": ");
  const kind = at < 0 ? reason : reason.slice(0, at);
  return [REASONS[kind] ?? kind, ...(at < 0 ? [] : [causeWords(reason.slice(at + 2))])].join(": ");
}

/** What a restatement comes from; hours are told in the reader's language, what people wrote stays. */
export function causeWords(cause) {
  const [, who, why] = /^by (.+?): (.*)$/s.exec(cause ?? "") ?? [];
  if (who !== undefined) return t("by {who}: {why}", { who: whoWords(who), why });
  const [, again] = /^(\S+) is in the facility file again$/.exec(cause ?? "") ?? [];
  if (again !== undefined) return t("{source} is in the facility file again", { source: again });
  const hours = /^hours? (\S+?)(?: to (\S+))?$/.exec(cause ?? "");
  if (hours === null) return cause;
  const [, from, to] = hours;
  return to === undefined ? t("hour {from}", { from }) : t("hours {from} to {to}", { from, to });
}

/** Why a factor is stale. */
export function staleWords(why) {
  const out = /^(.*) of (\d{4}), (\d{4}) is out$/.exec(why);
  if (out) return t("{factor} of {year}; that of {newest} is out", { factor: out[1], year: out[2], newest: out[3] });
  const due = /^(.*) of (\d{4}); a newer one is expected since (\w+ \d{4})$/.exec(why);
  if (!due) return why;
  const month = new Intl.DateTimeFormat(locale, { month: "long", year: "numeric", timeZone: "UTC" });
  return t("{factor} of {year}; a newer one is expected since {month}", { factor: due[1], year: due[2], month: month.format(Date.parse(`1 ${due[3]} UTC`)) });
}

/** What an input of an equation is. */
export const meaningWords = said({
  "the CO2 concentration": t("the CO2 concentration"), "the CO2 mass flow": t("the CO2 mass flow"),
  "the O2 concentration": t("the O2 concentration"), "the flue gas flow": t("the flue gas flow"),
  "the heat input rate": t("the heat input rate"), "the stack gas flow": t("the stack gas flow"),
  "the stack moisture": t("the stack moisture"),
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
