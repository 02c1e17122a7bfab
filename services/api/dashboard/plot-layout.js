// Where everything of a chart stands, in pixels of its element.

import { numbersOf, scaleOf } from "./plot-scale.js";

/** Room above the highest value. */
const ROOM = 1.05;
const MARGIN = { top: 14, right: 10 };

/**
 * Lay `shown` (see `plot.js`) out in a box: `width` and `height` in pixels, `font` as `size` and a
 * function `measure` of a text's width.
 */
export function layoutOf(shown, { width, height, isNarrow, font }) {
  const heights = heightsOf(shown);
  const { low, high } = limitsOf(shown, heights);
  const numbers = numbersOf(low, high, { ...shown.y, isNarrow });
  const lineHeight = font.size * 1.25;
  const ticks = shown.x.ticks(isNarrow);
  const lines = Math.max(1, ...ticks.map(({ text }) => text.split("\n").length));
  const left = Math.ceil(Math.max(0, ...numbers.map(({ text }) => font.measure(text)))) + 14;
  const right = width - MARGIN.right;
  const bottom = height - Math.ceil(lines * lineHeight) - 14;
  const x = scaleOf(shown.x.from, shown.x.to, left, right);
  const y = scaleOf(low, high, bottom, MARGIN.top);
  const columns = columnsOf(shown.bars ?? [], x);
  return {
    left, right, top: MARGIN.top, bottom, x, y, numbers, lineHeight,
    ticks: fitting(ticks, x, font, width),
    columns,
    gaps: (shown.gaps ?? []).map((text, i) => (text ? { ...columns[i], right: Math.max(columns[i].left + 1, columns[i].right), top: MARGIN.top, bottom } : null)),
    series: shown.series.map((series, n) => ({
      ...series, boxes: series.values.map((value, i) => boxOf({ shown, series, n, i, columns, y, ...heights[n][i] })),
    })),
  };
}

/** Whole pixels of bars; a space of less than one would be seen between some of them and not between others. */
function columnsOf(bars, x) {
  return bars.map(({ begin, end }, i) => {
    const next = bars[i + 1];
    const touches = next && x(next.begin) - x(end) < 1;
    return { left: Math.round(x(begin)), right: Math.round(x(touches ? next.begin : end)) };
  });
}

/** Where each value of each series begins and ends: on the others of its sign, or on nothing. */
function heightsOf({ series, isStacked, bars = [] }) {
  const above = bars.map(() => 0);
  const below = bars.map(() => 0);
  return series.map(({ values }) => values.map((value, i) => {
    if (value === null) return null;
    if (!isStacked) return { from: 0, to: value };
    const ends = value < 0 ? below : above;
    const from = ends[i];
    ends[i] += value;
    return { from, to: ends[i] };
  }));
}

function limitsOf({ lines = [], whiskers = [], top }, heights) {
  const values = [
    ...heights.flat().flatMap((one) => (one ? [one.to] : [])),
    ...lines.flatMap(({ points }) => points.map(({ y }) => y ?? 0)),
    ...whiskers.flatMap(({ low, high }) => [low, high]),
  ];
  const low = values.reduce((least, value) => Math.min(least, value), 0);
  const high = values.reduce((greatest, value) => Math.max(greatest, value), 0);
  if (low === high) return { low: 0, high: 1 };
  return { low: low * ROOM, high: top ?? high * ROOM };
}

function boxOf({ shown, series, n, i, columns, y, from, to }) {
  if (to === undefined) return null;
  let { left, right } = columns[i];
  if (!shown.isStacked) {
    const each = (right - left) / shown.series.length;
    [left, right] = [left + n * each, left + (n + 1) * each];
  }
  const [one, other] = [y(from), y(to)];
  return {
    left, right: Math.max(left + 1, right), top: Math.min(one, other), bottom: Math.max(one, other),
    pattern: series.patterns?.[i] ?? "", isFaint: shown.bars[i].isFaint ?? false,
  };
}

/** Ticks whose words neither touch each other nor are cut at an end. */
function fitting(ticks, x, font, width) {
  let free = 0;
  return ticks.filter(({ at, text }) => {
    const half = Math.max(...text.split("\n").map((part) => font.measure(part))) / 2;
    const place = x(at);
    if (place - half < free || place + half > width) return false;
    free = place + half + 8;
    return true;
  });
}
