// What happened in a range: alerts, calibrations, gaps and changed factors, and restated hours.

import { page } from "./api.js";
import { causeWords, reasonWords } from "./codes.js";
import { massText } from "./format.js";
import { locale, plural } from "./words.js";
import { clockWords } from "./zones.js";

/** More marks than these would hide each other. */
const SHOWN = 200;
/** So many restated hours are read: a corrected factor restates each hour of a year. */
const RESTATED = 2000;
const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 3 });

/** Marks, the oldest first: { from, to (instants), when, words }; and whether there are more. */
export async function readMarks(facility, span) {
  const first = (path, limit) => page(`${path}?${new URLSearchParams({ facility: facility.id, ...span, limit })}`);
  const [annotations, restated] = await Promise.all([
    first("/v1/annotations", SHOWN), first("/v1/restatements", RESTATED),
  ]);
  const marks = [
    ...annotations.rows.map(({ time, timeEnd, title, text, tags }) => ({
      // what lasts stands at the begin of the range if it is older
      from: Date.parse(time), to: timeEnd === null ? Math.max(Date.parse(time), Date.parse(span.from)) : Date.parse(timeEnd), words: [title, tags.includes("alert") ? localMasses(text) : text].filter(Boolean).join(": "),
    })),
    ...changes(restated.rows, restated.next === null),
  ];
  return {
    hasMore: annotations.next !== null || marks.length > SHOWN,
    marks: marks.sort((a, b) => a.from - b.from).slice(0, SHOWN)
      .map((mark) => ({ ...mark, when: clockWords(mark.from, facility.timezone) })),
  };
}

/** What an alert says, with its masses as the reader's language writes numbers. */
const localMasses = (text) => text?.replace(/\d+(?:\.\d+)?(?= kg)/g, (kg) => number.format(Number(kg)));

/** One mark for all hours that one cause restated at one time; a sum only of `all` of them. */
function changes(restatements, all) {
  const byCause = Map.groupBy(restatements, ({ known_at: at, reason, cause }) => [at.slice(0, 16), reason, cause].join("\n"));
  return [...byCause.values()].map((rows) => {
    const times = rows.map(({ time }) => Date.parse(time));
    const difference = rows.reduce((sum, { difference_kg: kg }) => sum + (kg ?? 0), 0);
    const { reason, cause } = rows[0];
    const why = cause ? `${reasonWords(reason)}: ${causeWords(cause)}` : reasonWords(reason);
    const mass = `${difference < 0 ? "−" : "+"}${massText(Math.abs(difference))}`;
    const words = all
      ? plural("{n} hour was restated by {mass} ({why})", "{n} hours were restated by {mass} ({why})", rows.length, { mass, why })
      : plural("At least {n} hour was restated ({why})", "At least {n} hours were restated ({why})", rows.length, { why });
    return { from: Math.min(...times), to: Math.max(...times), words };
  });
}
