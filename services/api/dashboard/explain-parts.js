// The cards of an hour that is explained: its total, its computation, its inputs, minutes and versions.

import { card, facts } from "./cards.js";
import { node } from "./dom.js";
import { causeWords, meaningWords, qualityWords, reasonWords, staleWords, stateWords, validityWords } from "./codes.js";
import { FIGURES } from "./figures.js";
import { NO_DATA, mass, percent } from "./format.js";
import { SMALL } from "./masses.js";
import { minuteBars } from "./minute-bars.js";
import { readingsOf } from "./explain-readings.js";
import { basisWords, kindWords, partWords, quantityWords } from "./explain-words.js";
import { table, tree } from "./tree.js";
import { locale, plural, t } from "./words.js";
import { clockWords } from "./zones.js";

const HOUR_MS = 3_600_000;
const exact = new Intl.NumberFormat(locale, { maximumFractionDigits: 9 });
const number = new Intl.NumberFormat(locale, { maximumSignificantDigits: 9 });

/** A mass to the microgram: what an auditor compares. */
const exactMass = (kg) => (kg === null ? NO_DATA : `${exact.format(kg / SMALL.kg)} ${SMALL.unit}`);
const quantity = (value, unit) => (value === null || value === undefined ? NO_DATA : `${number.format(value)} ${unit ?? ""}`.trim());

/** Cards of an answer of `/v1/explain`, in the order in which one asks. */
export function explanationParts(explanation, view) {
  return [
    total(explanation, view),
    computation(explanation),
    inputs(explanation, view),
    minutes(explanation, view),
    versions(explanation, view),
    card(t("Configuration"),
      node("p", { className: "quiet", textContent: t("The source's entry in the facility file, in force since {time}.", { time: clockWords(Date.parse(explanation.configured_at), view.zone) }) }),
      tree(explanation.configuration, partWords)),
  ].filter((part) => part !== null);
}

function total({ source, scope, hour, total: version, activity_unit: unit }, { facility, zone, asOf }) {
  const begin = Date.parse(hour);
  const words = t("{facility}, {source} (scope {scope}), {from} – {to}", {
    facility: facility.name, source, scope, from: clockWords(begin, zone), to: clockWords(begin + HOUR_MS, zone).slice(-5),
  });
  const title = node("h1", { textContent: words });
  const known = asOf ? [node("p", { className: "doubt", textContent: t("As it was known on {time}.", { time: clockWords(Date.parse(asOf), zone) }) })] : [];
  if (version === null) {
    return node("section", { className: "card" }, title, ...known, node("p", { className: "rate" }, node("span", { className: "figure unknown", textContent: NO_DATA })),
      node("p", { className: "quiet", textContent: t("Nothing was computed for this hour: no reading of its inputs covers it.") }));
  }
  const { value, unit: shown } = mass(version.co2_kg);
  const figures = Object.entries(FIGURES).map(([, { kg, name }]) => [name, exactMass(version[kg])]);
  return node("section", { className: "card" }, title, ...known,
    node("p", { className: "rate" },
      node("span", { className: `figure ${value === null ? "unknown" : ""}`, textContent: value ?? NO_DATA }), " ",
      node("span", { className: "unit", textContent: value === null ? "" : `${shown} CO₂` })),
    facts([
      ...figures,
      [t("Activity"), unit === null ? null : quantity(version.activity, unit)],
      [t("Exported"), version.exported === null ? null : quantity(version.exported, unit)],
      [t("Covered by readings"), percent(version.coverage)],
      [t("Quality"), version.code === null
        ? qualityWords(version.quality)
        : codedQuality(version)],
      [t("State"), version.state === "final" ? t("final") : t("provisional: readings may still come")],
    ]));
}

/** A quality, and why an hour is so: in words where its code is none of a rule's numbers. */
function codedQuality({ quality, code }) {
  const why = validityWords(code);
  return why === code
    ? t("{quality}, method code {code}", { quality: qualityWords(quality), code })
    : t("{quality}: {why}", { quality: qualityWords(quality), why });
}

/** By which equation or factor, each with where it is from. */
function computation({ method, equation, factor, market_factor: market, closing, analysis, derived, derived_inputs: derivedInputs, total: version, activity_unit: unit }) {
  const parts = [];
  if (equation) {
    parts.push(node("p", {}, node("strong", { textContent: t("Equation {id}", equation) }), ` ${t("in {unit}, by {citation}", equation)}`));
    parts.push(table([t("Role"), t("Meaning"), t("Unit"), t("Basis")], equation.inputs.map(({ role, meaning, unit: of, basis }) => [role, meaningWords(meaning), of, basisWords(basis)])));
  }
  if (factor?.applied && version?.activity !== null && version !== null) {
    parts.push(node("p", { className: "formula", textContent: t("{activity} × {factor} kg CO₂ per {unit}", {
      activity: quantity(version.activity, unit), factor: number.format(factor.applied.co2_kg), unit: factor.applied.per,
    }) }));
  }
  if (factor) parts.push(cited(t("Factor"), factor));
  if (market) parts.push(cited(t("Market-based factor"), market));
  if (analysis) parts.push(detail(t("The fuel's own analysis"), analysis));
  if (derived) parts.push(detail(t("The derived channel"), derived));
  if (Object.keys(derivedInputs).length) parts.push(detail(t("Derived inputs"), derivedInputs));
  if (closing) {
    const { validity, substitution } = closing;
    const { name, citation } = substitution;
    parts.push(node("p", { textContent: t("Valid by {validity} ({citation}); missing hours by {substitution}.", {
      validity: validity.name, citation: validity.citation, substitution: [name, citation && `(${citation})`].filter(Boolean).join(" "),
    }) }));
    parts.push(detail(t("Verdicts, substitution, calibrations and audits"), closing));
  }
  return card(method === "stack" ? t("Measured in the stack") : t("Computed from an activity"), ...parts);
}

function cited(name, factor) {
  const { id, citation, valid_from: from, valid_to: to, stale } = factor;
  const valid = to ? t("valid from {from} to {to}", { from, to }) : t("valid from {from}", { from });
  const span = from ? `, ${valid}` : "";
  return node("div", {},
    node("p", {}, node("strong", { textContent: `${name} ${id ?? ""}`.trim() }), `${span}${citation ? `: ${citation}` : ""}`),
    ...(stale ? [node("p", { className: "doubt", textContent: t("Stale: {why}", { why: typeof stale === "string" ? staleWords(stale) : t("a newer release should be there") }) })] : []),
    detail(t("All that is recorded of it"), factor));
}

const detail = (summary, value) =>
  node("details", {}, node("summary", { textContent: summary }), tree(value, partWords));

function inputs({ inputs: list, hour }, view) {
  if (list.length === 0) return null;
  const parts = list.map((input) => {
    const { role, device, channel, unit, kind, covered_s: covered, readings, held, incidents } = input;
    const value = kind === "gauge" ? [t("Mean, by time"), quantity(input.mean, unit)] : [t("Amount"), quantity(input.amount, unit)];
    const qualities = Object.entries(readings.by_quality ?? {}).map(([name, count]) => `${count} ${qualityWords(name)}`).join(", ");
    return node("div", { className: "input" },
      node("h3", { textContent: `${device}.${channel}` }),
      node("p", { className: "quiet", textContent: t("{role}: {kind}, {quantity} in {unit}", { role, kind: kindWords(kind), quantity: quantityWords(input.quantity), unit }) }),
      facts([
        value,
        [t("Covered"), t("{n} s of 3600 s", { n: exact.format(covered) })],
        [t("Readings"), `${readings.count}${qualities ? ` (${qualities})` : ""}`],
        [t("Gaps"), String(readings.gaps ?? 0)],
        [t("As sent, least and greatest"), readings.count ? `${number.format(readings.min)} – ${number.format(readings.max)}` : null],
        [t("Above full scale"), readings.over_full_scale ? String(readings.over_full_scale) : null],
        [t("Exported"), input.exported === null || input.exported === undefined ? null : quantity(input.exported, unit)],
      ]),
      ...(held.length ? [detail(plural("{n} increment not counted yet", "{n} increments not counted yet", held.length), held)] : []),
      ...(incidents.length ? [detail(plural("{n} incident of the register", "{n} incidents of the register", incidents.length), incidents)] : []),
      detail(t("Scale, offset and full scale in force"), input.in_force),
      readingsOf({ facility: view.facility, device, channel, unit, hour, zone: view.zone, mayCorrect: view.mayCorrect }));
  });
  return card(t("Inputs"), ...parts);
}

function minutes({ minutes: list, activity_unit: unit }, { zone }) {
  if (list.length === 0) return null;
  const roles = Object.keys(list[0].inputs);
  const names = [
    t("Minute"), t("CO₂, measured"), t("Added when closed"), ...(unit ? [t("Activity, {unit}", { unit })] : []), t("Covered"), ...roles,
  ];
  const rows = list.map((minute) => [
    clockWords(Date.parse(minute.time), zone).slice(-5), exactMass(minute.co2_kg), exactMass(minute.closing_kg),
    ...(unit ? [quantity(minute.activity)] : []), percent(minute.coverage), ...roles.map((role) => quantity(minute.inputs[role])),
  ]);
  return card(t("Minutes"), minuteBars(list, zone),
    node("details", {}, node("summary", { textContent: t("Table") }), table(names, rows)));
}

/** A reason, with its cause where it does not have that in itself. */
const whyWords = (reason, cause) => [reasonWords(reason), ...(cause && !reason.includes(cause) ? [causeWords(cause)] : [])].join(": ");

/** Every version, the newest first, with why it was made and by what. */
function versions({ versions: list }, { zone, restatements, asOf, onVersion }) {
  if (list.length === 0) return null;
  const causes = new Map(restatements.map(({ version, cause }) => [version, cause]));
  const at = (time) => (time === null ? t("in force") : clockWords(Date.parse(time), zone));
  const rows = [...list].reverse().map((version) => {
    const known = node("button", { type: "button", className: "plain", textContent: t("Show"), onclick: () => onVersion(version.superseded_at === null ? "" : version.known_at) });
    known.setAttribute("aria-label", t("Show version {n}", { n: version.version }));
    return [
      String(version.version), at(version.known_at), at(version.superseded_at), exactMass(version.co2_kg),
      version.code === null ? qualityWords(version.quality) : codedQuality(version), stateWords(version.state),
      whyWords(version.reason, causes.get(version.version)), known,
    ];
  });
  const note = asOf ? [node("p", {}, node("button", { type: "button", className: "plain", textContent: t("Show what is known now"), onclick: () => onVersion("") }))] : [];
  return card(t("Versions"), ...note,
    table([
      t("Version"), t("Known from"), t("Until"), "CO₂", t("Quality"), t("State"), t("Why"), t("As known then"),
    ], rows));
}
