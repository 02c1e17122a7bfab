// Limits as they are drawn: lines in the chart of rates (a total of an hour is one too), and beside
// the totals of the same windows. What is drawn is of the whole facility, and so are its limits: one
// of a source says nothing about the stack of all.

/** Farther than this above the highest bar, a limit would only press the bars flat. */
const FARTHEST = 4;

const isOfAll = ({ source, scope, channel, figure: watched }, figure) =>
  watched === figure && source === null && scope === null && channel === null;

/** Those of the figure's rate, and of its total of an hour. */
export function rateLimits(thresholds, figure) {
  return thresholds
    .filter((threshold) => threshold.above !== null && isOfAll(threshold, figure))
    .filter(({ unit, window }) => unit === "kg/h" || (unit === "kg" && (window === "1h" || window === "hour")))
    .map(({ id, unit, above, severity }) => ({ id, value: above, severity, isTotal: unit === "kg" }));
}

/**
 * By window, the limit of the whole facility's total that is passed first:
 * { id, value, severity, budget, above }; `above` is the part of a budget from which it warns.
 */
export function totalLimits(thresholds, figure) {
  const found = new Map();
  for (const threshold of thresholds) {
    const { id, unit, window, above, budget, severity } = threshold;
    if (above === null || !isOfAll(threshold, figure)) continue;
    if (unit !== "kg" && budget === null) continue;
    const value = budget === null ? above : above * budget;
    if (value > 0 && !(found.get(window)?.value <= value)) found.set(window, { id, value, severity, budget, above });
  }
  return found;
}

/** The windows of totals that bars of a length are, each for itself. */
const WINDOWS = { "1h": ["1h", "hour"], "1d": ["24h", "day", "today"], "1w": ["7d"], "1mo": ["30d", "month"], "1y": ["365d", "year"] };
const HOURS = { "5m": 1 / 12, "15m": 1 / 4, "1h": 1 };

/** Those of bars of a length: of the rate, over so long, and of totals; a budget is a limit of its month or year. */
export function barLimits(thresholds, figure, bars) {
  const rates = HOURS[bars] ? rateLimits(thresholds, figure).filter(({ isTotal }) => !isTotal) : [];
  const totals = thresholds.filter((threshold) => threshold.above !== null && isOfAll(threshold, figure))
    .filter(({ unit, budget, window }) => (unit === "kg" || budget !== null) && WINDOWS[bars]?.includes(window));
  return [
    ...rates.map((limit) => ({ ...limit, value: limit.value * HOURS[bars] })),
    ...totals.map(({ id, above, budget, severity }) => ({ id, value: budget ?? above, severity })),
  ];
}

/** The limits that fit into a chart whose highest bar is `highest`, and where its axis ends for them. */
export function limitLines(limits, highest) {
  const near = limits.filter(({ value }) => value > 0 && value <= FARTHEST * highest);
  if (near.length === 0) return { limits: [] };
  return { limits: near, top: Math.max(highest, ...near.map(({ value }) => value)) * 1.08 };
}
