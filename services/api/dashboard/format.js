// Numbers for people: three or four significant figures in the unit of masses that they chose, and "no
// data" for what is unknown.

import { LARGE, SMALL, unitFor } from "./masses.js";
import { locale, t } from "./words.js";

export const NO_DATA = t("no data");
/** What follows a number of hundredths: Chinese puts no space before it. */
export const PERCENT = locale.startsWith("zh") ? "%" : " %";
/** The unit of rates. */
export const RATE_UNIT = `${SMALL.unit}/h`;

const number = (digits) =>
  new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
const whole = number(0);
const byDigits = [whole, number(1), number(2)];

export const oneDecimal = byDigits[1];

/** Less than this would be written as 0.00, which says that nothing was emitted. */
const LEAST = 0.005;
const twoFigures = new Intl.NumberFormat(locale, { maximumSignificantDigits: 2 });

/** A value with about `figures` significant figures, never less than a whole number; only zero is written as zero. */
function significant(value, figures) {
  if (value !== 0 && Math.abs(value) < LEAST) return twoFigures.format(value);
  const before = Math.max(1, Math.floor(Math.log10(Math.max(Math.abs(value), 1e-9))) + 1);
  return byDigits[Math.min(2, Math.max(0, figures - before))].format(value);
}

/** A mass in kg as { value, unit }; value is null where the mass is unknown. */
export function mass(kg) {
  if (kg === null || kg === undefined) return { value: null, unit: "" };
  const shown = unitFor(kg);
  return { value: significant(kg / shown.kg, shown === LARGE ? 4 : 3), unit: shown.unit };
}

/** An energy in kWh, as "1,234 MWh" from a thousand on. */
export function energyText(kwh) {
  return Math.abs(kwh) < 1000 ? `${significant(kwh, 3)}\u00a0kWh` : `${significant(kwh / 1000, 4)}\u00a0MWh`;
}

/** The 95 % interval of a total as "± 3.1 %"; empty where it is not known. */
export function band({ co2_kg: kg, co2_high_kg: high }) {
  if (!kg || high === null || high === undefined) return "";
  return `± ${byDigits[1].format(((high - kg) / Math.abs(kg)) * 100)}${PERCENT}`;
}

/** How much of a window a rule filled in, as "12.5 % substituted"; empty where it filled nothing. */
export function substituted({ shares }) {
  return shares.substituted > 0 ? t("{share} substituted", { share: percent(shares.substituted) }) : "";
}

export function massText(kg) {
  const { value, unit } = mass(kg);
  return value === null ? NO_DATA : `${value} ${unit}`;
}

/** A rate as a number of `RATE_UNIT`, always the same so that a glance compares it with the last one. */
export function rate(kgPerHour) {
  return kgPerHour === null || kgPerHour === undefined ? null : significant(kgPerHour / SMALL.kg, 3);
}

export function rateText(kgPerHour) {
  const value = rate(kgPerHour);
  return value === null ? NO_DATA : `${value} ${RATE_UNIT}`;
}

/** A coverage of 0 to 1 as a percentage that says 100 only where it is. */
export function percent(part) {
  const value = part * 100;
  if (value > 99.9 && value < 100) return `> ${byDigits[1].format(99.9)}${PERCENT}`;
  if (value > 0 && value < 0.1) return `< ${byDigits[1].format(0.1)}${PERCENT}`;
  return `${byDigits[Number.isInteger(value) ? 0 : 1].format(value)}${PERCENT}`;
}

/** How long ago an instant was, in words that stay short. */
export function ago(instant, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - instant) / 1000));
  if (seconds < 90) return t("{n} s ago", { n: seconds });
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return t("{n} min ago", { n: minutes });
  const hours = Math.round(minutes / 60);
  return hours < 48 ? t("{n} h ago", { n: hours }) : t("{n} days ago", { n: whole.format(hours / 24) });
}

/** A length of time, in the unit that it is short in. */
export function spanWords(seconds) {
  if (seconds < 90) return t("{n} s", { n: Math.round(seconds) });
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return t("{n} min", { n: minutes });
  const hours = Math.round(minutes / 60);
  return hours < 48 ? t("{n} h", { n: hours }) : t("{n} days", { n: whole.format(hours / 24) });
}

/** A clock time in a facility's time zone. */
export function clock(instant, timeZone) {
  return new Intl.DateTimeFormat(locale, {
    hour: "2-digit", minute: "2-digit", hour12: false, timeZone,
  }).format(instant);
}

/** One for each zone: to make one takes longer than to use it a hundred times. */
const wallFormats = new Map();

function wallFormat(timeZone) {
  if (!wallFormats.has(timeZone)) {
    wallFormats.set(timeZone, new Intl.DateTimeFormat("en-GB", {
      year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
      second: "2-digit", hourCycle: "h23", timeZone,
    }));
  }
  return wallFormats.get(timeZone);
}

/** An instant as the local wall time of a zone, in a form that needs no further conversion. */
export function wallTime(instant, timeZone) {
  const parts = Object.fromEntries(wallFormat(timeZone).formatToParts(instant).map(({ type, value }) => [type, value]));
  return `${parts.year}-${parts.month}-${parts.day} ${parts.hour}:${parts.minute}:${parts.second}`;
}
