// The masses by which a facility can be looked at. Where another one says something that the chosen
// one does not, it stands beside it: a leak of refrigerant is no CO2, and wood is none of scope 1.

import { levelWords } from "./factor-levels.js";
import { energyText, massText, percent } from "./format.js";
import { t } from "./words.js";

/** By the names that thresholds have for them; CO2 is the default. */
export const FIGURES = {
  co2: { kg: "co2_kg", name: "CO₂" },
  co2e: { kg: "co2e_kg", name: "CO₂e" },
  market: { kg: "co2_market_kg", name: t("market-based CO₂") },
  co2_biogenic: { kg: "co2_biogenic_kg", name: t("biogenic CO₂") },
};

/** A source's CO2e stands beside its CO2 from this share on: less is seen in the totals. */
const NOTABLE = 1.01;

export const chosenFigure = (name) => (Object.hasOwn(FIGURES, name ?? "") ? name : "co2");

/** The masses that CO2 leaves out, for a line of a table: a CO2e that is notably more, biomass. */
export function leftOut({ co2_kg: co2, co2e_kg: co2e, co2_biogenic_kg: biogenic }, text) {
  if (co2 === null) return [];
  return [
    ...(co2e > NOTABLE * co2 ? [`${text(co2e)} ${FIGURES.co2e.name}`] : []),
    ...(biogenic > 0 ? [t("{mass} biogenic", { mass: text(biogenic) })] : []),
  ];
}

/** The other masses of a total that say more than the chosen one, such as "CO₂e 2.09 t". */
export function beside(total, figure) {
  const co2 = massText(total.co2_kg);
  const saysMore = {
    co2: co2 !== massText(total[FIGURES[figure].kg]),
    co2e: massText(total.co2e_kg) !== co2,
    market: total.co2_market_kg !== total.co2_kg,
    co2_biogenic: total.co2_biogenic_kg > 0,
  };
  return Object.entries(FIGURES)
    .filter(([name, { kg }]) => name !== figure && total[kg] !== null && saysMore[name])
    .map(([, { kg, name }]) => `${name} ${massText(total[kg])}`);
}

/** What a total has beside its masses: what flowed out, and by which factors it counted. */
export const apart = (total) => [
  ...(total.exported_kwh > 0 ? [t("exported {energy}", { energy: energyText(total.exported_kwh) })] : []),
  ...(total.stale_factor_share > 0 ? [t("{share} by stale factor", { share: percent(total.stale_factor_share) })] : []),
  ...levelWords(total),
];
