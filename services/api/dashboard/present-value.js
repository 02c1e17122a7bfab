// The present value of what a threshold watches, from the facility's live totals.

import { inUnit } from "./alerts.js";
import { FIGURES } from "./figures.js";

/** In words; null where live totals do not have it, such as a channel's value. */
export function presentWords({ unit, window, source, scope, channel, device, figure }, live) {
  if (live === null || scope !== null || channel !== null || device !== null) return null;
  const of = source === null ? live : live.sources.find(({ id }) => id === source);
  const kg = FIGURES[figure ?? "co2"]?.kg;
  if (of === undefined || kg === undefined) return null;
  if (unit === "kg/h" && window === null) return inUnit(unit, of.rates[`${kg}_h`], figure);
  const total = of.totals[window === "day" ? "today" : window];
  return unit === "kg" && total ? inUnit(unit, total[kg], figure) : null;
}
