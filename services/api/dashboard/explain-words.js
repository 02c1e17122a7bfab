// What the parts of an hour that is explained are called, beside the keys of facility files.

import { keyWords } from "./schema-words.js";
import { t } from "./words.js";

const NAMES = {
  after: t("after"), alternative: t("alternative"), applied: t("applied"), average: t("average"),
  before: t("before"), beyond: t("beyond"), calendar: t("calendar"), calibration_due: t("calibration due"),
  calibration_function: t("calibration function"), calibration_ranges: t("calibration ranges"), calibrations: t("calibrations"),
  change: t("change"), confidence_coefficient: t("confidence coefficient"), counted: t("counted"), coverage: t("coverage"),
  detail: t("detail"), error: t("error"), first_hand: t("first hand"), greatest: t("greatest"), kg_h: t("kg per hour"),
  known_at: t("known at"), known_from: t("known from"), known_to: t("known to"), least: t("least"),
  lateness: t("lateness in s"), least_known: t("least known"), licence: t("licence"), mean_difference: t("mean difference"), notes: t("notes"),
  operating_h: t("operating hours"), other_gases: t("other gases"), per: t("per"), publication: t("publication"),
  published: t("published"), publisher: t("publisher"), recorded_at: t("recorded at"),
  relative_accuracy_percent: t("relative accuracy in %"), role: t("role"), row: t("row"), seen: t("seen"), series: t("series"),
  set: t("set"), stale: t("stale"), time: t("time"), title: t("title"), unadjusted: t("unadjusted"),
  uncertainty_percent: t("uncertainty in %"), used: t("used"), valid: t("valid"), values: t("values"), verdict: t("verdict"),
  verdict_reason: t("reason of the verdict"), via: t("via"), week: t("week"), weeks: t("weeks"),
  weeks_above_40_percent: t("weeks above 40 %"), weeks_above_5_percent: t("weeks above 5 %"),
};

/** The name of a key, or the key where it is one of a facility file or of what people named. */
export const partWords = (key) => NAMES[key] ?? keyWords(key);

const BASES = { wet: t("wet"), dry: t("dry") };

/** Whether a gas is counted with its water vapour. */
export const basisWords = (basis) => BASES[basis] ?? basis;

const KINDS = { counter: t("register"), gauge: t("gauge"), interval: t("amount of an interval") };

const QUANTITIES = {
  apparent_energy: t("apparent energy"), apparent_power: t("apparent power"), concentration: t("concentration"),
  count: t("count"), count_flow: t("count per time"), distance: t("distance"), energy: t("energy"),
  energy_per_mass: t("energy per mass"), energy_per_volume: t("energy per volume"), fraction: t("fraction"),
  freight: t("freight"), mass: t("mass"), mass_flow: t("mass flow"), molar_mass: t("molar mass"), money: t("money"),
  passenger_distance: t("passenger distance"), power: t("power"), pressure: t("pressure"),
  reactive_energy: t("reactive energy"), reactive_power: t("reactive power"), temperature: t("temperature"),
  time: t("time"), velocity: t("velocity"), volume: t("volume"), volume_flow: t("volume flow"),
};

/** What kind of channel one is, and what it measures. */
export const kindWords = (kind) => KINDS[kind] ?? kind;
export const quantityWords = (quantity) => QUANTITIES[quantity] ?? quantity;
