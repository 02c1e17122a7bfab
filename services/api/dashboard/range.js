// What a page of history shows: from when to when, by which bars, and beside which other time.

import { t } from "./words.js";
import { wallAfter, wallBegin, wallMinutes, wallOf } from "./zones.js";

/** Ranges that end now or with the running period, by the name that addresses have for them. */
export const PRESETS = {
  "24h": { name: t("Last 24 hours"), from: (now) => wallAfter(now, -24, "h") },
  "7days": { name: t("Last 7 days"), from: (now) => wallAfter(wallBegin(now, "d"), -6, "d") },
  "30days": { name: t("Last 30 days"), from: (now) => wallAfter(wallBegin(now, "d"), -29, "d") },
  month: { name: t("This month"), from: (now) => wallBegin(now, "mo") },
  "12mo": { name: t("Last 12 months"), from: (now) => wallAfter(wallBegin(now, "mo"), -11, "mo") },
  year: { name: t("This year"), from: (now) => wallBegin(now, "y") },
  "5y": { name: t("Last 5 years"), from: (now) => wallAfter(wallBegin(now, "y"), -4, "y") },
};
export const DEFAULT_PRESET = "7days";

/**
 * The bars that a range can have: what a chart of them is called, how many minutes one has
 * about, and the unit it begins with.
 */
export const BARS = {
  "5m": { name: t("5 minutes"), title: (figure) => t("{figure} per 5 minutes", { figure }), minutes: 5 },
  "15m": { name: t("15 minutes"), title: (figure) => t("{figure} per 15 minutes", { figure }), minutes: 15 },
  "1h": { name: t("hours"), title: (figure) => t("{figure} per hour", { figure }), minutes: 60 },
  "1d": { name: t("days"), title: (figure) => t("{figure} per day", { figure }), minutes: 1440, unit: "d" },
  "1w": { name: t("weeks"), title: (figure) => t("{figure} per week", { figure }), minutes: 10_080, unit: "w" },
  "1mo": { name: t("months"), title: (figure) => t("{figure} per month", { figure }), minutes: 43_830, unit: "mo" },
  "1y": { name: t("years"), title: (figure) => t("{figure} per year", { figure }), minutes: 525_960, unit: "y" },
};
/** So many bars are chosen at most by themselves, and can be asked for. */
const COMFORTABLE = 200;
const MOST = 1500;

const count = (from, to, bars) => Math.ceil(wallMinutes(from, to) / BARS[bars].minutes);

/** The bars that a range can be drawn by. */
export const possibleBars = (from, to) => Object.keys(BARS).filter((bars) => count(from, to, bars) <= MOST);

/** The finest bars that a range is still easy to read by; weeks are only drawn if asked for. */
export function fittingBars(from, to) {
  const fits = Object.keys(BARS).filter((bars) => bars !== "1w" && count(from, to, bars) <= COMFORTABLE);
  return fits[0] ?? "1y";
}

/**
 * What is shown, as wall times and bars: `asked` has what the address says, and may be nonsense.
 * Ends lie at the ends of bars, so that no bar is cut and the sum is of what is drawn.
 */
export function resolve(asked, zone, now = Date.now()) {
  const clock = wallOf(now, zone);
  const stated = [asked.from, asked.to].every(isWall) && asked.from < asked.to;
  const preset = stated ? null : Object.hasOwn(PRESETS, asked.range ?? "") ? asked.range : DEFAULT_PRESET;
  let from = stated ? asked.from : PRESETS[preset].from(clock);
  let to = stated ? asked.to : wallAfter(clock, 1, "m");
  const possible = possibleBars(from, to);
  const bars = possible.includes(asked.bars) ? asked.bars : fittingBars(from, to);
  from = barBegin(from, bars);
  to = barEnd(to, bars);
  return { from, to, bars, preset, possible, isAutomatic: bars !== asked.bars };
}

const isWall = (text) => /^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(text ?? "") && !Number.isNaN(Date.parse(`${text}Z`));

function barBegin(wall, bars) {
  const { unit, minutes } = BARS[bars];
  if (unit) return wallBegin(wall, unit);
  const begin = wallBegin(wall, "d");
  return wallAfter(begin, Math.floor(wallMinutes(begin, wall) / minutes) * minutes, "m");
}

function barEnd(wall, bars) {
  const begin = barBegin(wall, bars);
  return begin === wall ? wall : nextBar(begin, bars);
}

/** Where the bar after the one that begins so begins. */
export function nextBar(begin, bars) {
  const { unit, minutes } = BARS[bars];
  return unit ? wallAfter(begin, 1, unit) : wallAfter(begin, minutes, "m");
}

/** The year or month that a range is, or is the begin of; null: it is neither. */
function periodOf({ from, to }) {
  const unit = ["y", "mo"].find((one) => wallBegin(from, one) === from && to <= wallAfter(from, 1, one));
  return unit && wallMinutes(from, to) > BARS["1d"].minutes ? unit : null;
}

/** The range so many lengths later: of a month or year the whole of another one. */
export function moved(range, lengths) {
  const unit = periodOf(range);
  if (unit) {
    const from = wallAfter(range.from, lengths, unit);
    return { from, to: wallAfter(from, 1, unit) };
  }
  const months = wholeMonths(range);
  if (months) return { from: wallAfter(range.from, lengths * months, "mo"), to: wallAfter(range.to, lengths * months, "mo") };
  const minutes = wallMinutes(range.from, range.to) * lengths;
  return { from: wallAfter(range.from, minutes, "m"), to: wallAfter(range.to, minutes, "m") };
}

function wholeMonths({ from, to }) {
  if (wallBegin(from, "mo") !== from || wallBegin(to, "mo") !== to) return 0;
  return 12 * (Number(to.slice(0, 4)) - Number(from.slice(0, 4))) + Number(to.slice(5, 7)) - Number(from.slice(5, 7));
}

/** The range made shorter (below 1) or longer about its middle. */
export function scaled({ from, to }, by) {
  const minutes = wallMinutes(from, to);
  const wanted = Math.max(60, minutes * by);
  const side = Math.round((wanted - minutes) / 2);
  return { from: wallAfter(from, -side, "m"), to: wallAfter(to, side, "m") };
}

/** Other times to compare a range with: its name, and where it then lies. */
export const COMPARED = {
  before: {
    name: t("the time before"),
    // a month that runs is compared with as much of the month before
    of: (range) => {
      const unit = periodOf(range);
      return unit ? { from: wallAfter(range.from, -1, unit), to: wallAfter(range.to, -1, unit) } : moved(range, -1);
    },
  },
  year: {
    name: t("a year before"),
    of: ({ from, to }) => ({ from: wallAfter(from, -1, "y"), to: wallAfter(to, -1, "y") }),
  },
};
