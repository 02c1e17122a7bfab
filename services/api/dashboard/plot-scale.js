// Where numbers stand on an axis, and which of them it names.

import { locale } from "./words.js";

/** A function from values between `from` and `to` to pixels between `first` and `last`. */
export function scaleOf(from, to, first, last) {
  const pixels = (last - first) / (to - from);
  return (value) => first + (value - from) * pixels;
}

/** The length of 1, 2 or 5 times a power of ten that divides a range into at most `parts`. */
function stepOf(range, parts) {
  const least = range / parts;
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= least * (1 - 1e-9));
}

/** The round numbers of an axis from `low` to `high`, as `{ value, text }`; `suffix` follows each number. */
export function numbersOf(low, high, { parts = 5, suffix = "", isNarrow = false } = {}) {
  const step = stepOf(high - low, parts);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const isLong = isNarrow && step >= 1000;
  const format = new Intl.NumberFormat(locale, isLong ? { notation: "compact" } : { maximumFractionDigits: digits });
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  // by whole steps, for sums of fractions are not exact
  return Array.from({ length: count }, (_, i) => (first + i) * step)
    .map((value) => ({ value, text: `${format.format(value)}${suffix}` }));
}
