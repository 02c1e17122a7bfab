// Calendar arithmetic in a facility's time zone, and its times in words. A wall time is text such as "2026-11-29T08:00": what
// a clock there shows. It is what addresses and date fields hold, and sorts as it reads.

import { wallTime } from "./format.js";
import { locale } from "./words.js";

const MINUTE_MS = 60_000;

/** What a clock of the zone shows at an instant, in ms: to the minute. */
export const wallOf = (instant, zone) => wallTime(instant, zone).slice(0, 16).replace(" ", "T");

const asIfUtc = (wall) => Date.parse(`${wall}Z`);

/**
 * The instant, in ms, at which a clock of the zone shows a wall time. Of two, the first; of none (the
 * clock was set forward past it), the one that it would be had the clock not been set yet.
 */
export function instantOf(wall, zone) {
  const shown = (instant) => asIfUtc(wallOf(instant, zone));
  const asked = asIfUtc(wall);
  // no zone changes its clock twice within a day, so one of two offsets is the right one
  const offsets = [-1, 1].map((side) => {
    const near = Math.floor((asked + side * 86_400_000) / MINUTE_MS) * MINUTE_MS;
    return shown(near) - near;
  });
  const exact = offsets.map((offset) => asked - offset).filter((instant) => shown(instant) === asked);
  return exact.length ? Math.min(...exact) : asked - Math.min(...offsets);
}

/** The wall time so many of a unit (`m`, `h`, `d`, `w`, `mo`, `y`) after another one. */
export function wallAfter(wall, count, unit) {
  const time = new Date(asIfUtc(wall));
  if (unit === "mo" || unit === "y") {
    const day = time.getUTCDate();
    time.setUTCDate(1);
    time.setUTCMonth(time.getUTCMonth() + count * (unit === "y" ? 12 : 1));
    const last = new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth() + 1, 0)).getUTCDate();
    time.setUTCDate(Math.min(day, last));
  } else {
    time.setTime(time.getTime() + count * { m: MINUTE_MS, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 }[unit]);
  }
  return time.toISOString().slice(0, 16);
}

/** The begin of the `d`, `w` (from Monday), `mo` or `y` that a wall time lies in. */
export function wallBegin(wall, unit) {
  const day = wall.slice(0, 10);
  if (unit === "y") return `${wall.slice(0, 4)}-01-01T00:00`;
  if (unit === "mo") return `${wall.slice(0, 7)}-01T00:00`;
  if (unit === "d") return `${day}T00:00`;
  return wallAfter(`${day}T00:00`, -((new Date(`${day}T00:00Z`).getUTCDay() + 6) % 7), "d");
}

/** How many minutes lie between two wall times. */
export const wallMinutes = (from, to) => (asIfUtc(to) - asIfUtc(from)) / MINUTE_MS;

/** Wall times as text, by options of `Intl.DateTimeFormat`. */
export function wallWords(options) {
  const format = new Intl.DateTimeFormat(locale, { timeZone: "UTC", ...options });
  return (wall) => format.format(asIfUtc(wall));
}

/** A wall time's clock and day in words, such as "08:00" and "Sun, 29 Nov 2026". */
export const clock = wallWords({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
export const day = wallWords({ weekday: "short", day: "numeric", month: "short", year: "numeric" });

/** What parts a day from its clock time: Chinese writes no comma there. */
const BEFORE_CLOCK = locale.startsWith("zh") ? " " : ", ";

/** A wall time in words, such as "Sun, 29 Nov 2026, 08:00". */
export const dayAndClock = (wall) => `${day(wall)}${BEFORE_CLOCK}${clock(wall)}`;

/** An instant in words of a zone. */
export function clockWords(instant, zone) {
  return dayAndClock(wallOf(instant, zone));
}

/** An instant in words of a zone, to the second. */
export function secondWords(instant, zone) {
  const wall = wallTime(instant, zone);
  return `${day(wall.slice(0, 16).replace(" ", "T"))}${BEFORE_CLOCK}${wall.slice(11)}`;
}
