// The present value of what a threshold watches, from the facility's live totals.

import { inUnit } from "./alerts.js";
import { FIGURES } from "./figures.js";

/** In words; null where live totals do not have it, such as a channel's value. */
export function presentWords({ unit, window, source, scope, channel, device, figure }, live) {
  if (live === null || channel !== null || device !== null) return null;
  const of = scope !== null ? ofScope(live, scope) : source === null ? live : live.sources.find(({ id }) => id === source);
  const kg = FIGURES[figure ?? "co2"]?.kg;
  if (of === undefined || kg === undefined) return null;
  if (unit === "kg/h" && window === null) return inUnit(unit, of.rates[`${kg}_h`], figure);
  const total = of.totals[window === "day" ? "today" : window];
  return unit === "kg" && total ? inUnit(unit, total[kg], figure) : null;
}

/** A scope's totals, and the sum of the rates of its sources that are known, as the facility's is. */
function ofScope(live, scope) {
  const totals = live.scopes.find((one) => one.scope === scope)?.totals;
  if (totals === undefined) return undefined;
  const rates = {};
  for (const source of live.sources) {
    if (source.scope !== scope || !source.counts) continue;
    for (const [name, rate] of Object.entries(source.rates)) {
      if (rate !== null) rates[name] = (rates[name] ?? 0) + rate;
    }
  }
  return { totals, rates };
}
