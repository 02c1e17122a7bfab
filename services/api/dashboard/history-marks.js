// What happened in a range: alerts, calibrations, gaps and changed factors, and restated hours.

import { get } from "./api.js";
import { massText } from "./format.js";
import { clockWords } from "./history-words.js";

/** More marks than these would hide each other. */
const SHOWN = 200;

/** Marks, the oldest first: { from, to (instants), when, words }. */
export async function readMarks(facility, span) {
  const asked = { facility: facility.id, ...span };
  const [annotations, restatements] = await Promise.all([
    get("/v1/annotations", { ...asked, limit: SHOWN }),
    get("/v1/restatements", { ...asked, limit: 5000 }),
  ]);
  const marks = [
    ...annotations.map(({ time, timeEnd, title, text }) => ({
      from: Date.parse(time), to: Date.parse(timeEnd ?? time), words: [title, text].filter(Boolean).join(": "),
    })),
    ...changes(restatements),
  ];
  return marks.sort((a, b) => a.from - b.from).slice(0, SHOWN)
    .map((mark) => ({ ...mark, when: clockWords(mark.from, facility.timezone) }));
}

/** One mark for all hours that one cause restated at one time. */
function changes(restatements) {
  const byCause = new Map();
  for (const row of restatements) {
    const key = [row.known_at.slice(0, 16), row.reason, row.cause].join("\n");
    byCause.set(key, [...(byCause.get(key) ?? []), row]);
  }
  return [...byCause.values()].map((rows) => {
    const times = rows.map(({ time }) => Date.parse(time));
    const difference = rows.reduce((sum, { difference_kg: kg }) => sum + (kg ?? 0), 0);
    const { reason, cause } = rows[0];
    const hours = rows.length === 1 ? "An hour was restated" : `${rows.length} hours were restated`;
    return {
      from: Math.min(...times), to: Math.max(...times),
      words: `${hours} by ${difference < 0 ? "−" : "+"}${massText(Math.abs(difference))} (${reason}${cause ? `: ${cause}` : ""})`,
    };
  });
}
