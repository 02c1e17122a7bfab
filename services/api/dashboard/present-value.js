// The present value of what a threshold watches, from the facility's live totals.

import { inUnit } from "./alerts.js";
import { FIGURES } from "./figures.js";

/** In words beside the limit; empty where live totals do not have it, such as a channel's value. */
export function presentWords({ unit, window, source, scope, channel, device, figure }, live) {
  if (live === null || scope !== null || channel !== null || device !== null) return "";
  const of = source === null ? live : live.sources.find(({ id }) => id === source);
  const kg = FIGURES[figure ?? "co2"]?.kg;
  if (of === undefined || kg === undefined) return "";
  if (unit === "kg/h" && window === null) return now(unit, of.rates[`${kg}_h`], figure);
  // windows of the calendar are called otherwise there
  const total = of.totals[{ hour: "", day: "today" }[window] ?? window];
  return unit === "kg" && total ? now(unit, total[kg], figure) : "";
}

const now = (unit, value, figure) => `now ${inUnit(unit, value, figure)}`;
