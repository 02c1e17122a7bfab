// The cards of an hour that is explained: its total, its computation, its inputs, minutes and versions.

import { card, facts } from "./cards.js";
import { node } from "./dom.js";
import { FIGURES } from "./figures.js";
import { NO_DATA, mass, percent } from "./format.js";
import { minuteBars } from "./minute-bars.js";
import { readingsOf } from "./explain-readings.js";
import { table, tree } from "./tree.js";
import { clockWords } from "./zones.js";

const HOUR_MS = 3_600_000;
const exact = new Intl.NumberFormat(undefined, { maximumFractionDigits: 9 });
const number = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 9 });

/** A mass to the microgram: what an auditor compares. */
const kilograms = (kg) => (kg === null ? NO_DATA : `${exact.format(kg)}\u00a0kg`);
const quantity = (value, unit) => (value === null || value === undefined ? NO_DATA : `${number.format(value)}\u00a0${unit ?? ""}`.trim());

/** Cards of an answer of `/v1/explain`, in the order in which one asks. */
export function explanationParts(explanation, view) {
  return [
    total(explanation, view),
    computation(explanation),
    inputs(explanation, view),
    minutes(explanation, view),
    versions(explanation, view),
    card("Configuration", node("p", { className: "quiet", textContent: `The source's entry in the facility file, in force since ${clockWords(Date.parse(explanation.configured_at), view.zone)}.` }), tree(explanation.configuration)),
  ].filter((part) => part !== null);
}

function total({ source, scope, hour, total: version, activity_unit: unit }, { facility, zone, asOf }) {
  const begin = Date.parse(hour);
  const words = `${facility.name}, ${source} (scope ${scope}), ${clockWords(begin, zone)} – ${clockWords(begin + HOUR_MS, zone).slice(-5)}`;
  const title = node("h1", { textContent: words });
  const known = asOf ? [node("p", { className: "doubt", textContent: `As it was known on ${clockWords(Date.parse(asOf), zone)}.` })] : [];
  if (version === null) {
    return node("section", { className: "card" }, title, ...known, node("p", { className: "rate" }, node("span", { className: "figure unknown", textContent: NO_DATA })),
      node("p", { className: "quiet", textContent: "Nothing was computed for this hour: no reading of its inputs covers it." }));
  }
  const { value, unit: shown } = mass(version.co2_kg);
  const figures = Object.entries(FIGURES).map(([, { kg, name }]) => [name, kilograms(version[kg])]);
  return node("section", { className: "card" }, title, ...known,
    node("p", { className: "rate" },
      node("span", { className: `figure ${value === null ? "unknown" : ""}`, textContent: value ?? NO_DATA }), " ",
      node("span", { className: "unit", textContent: value === null ? "" : `${shown} CO₂` })),
    facts([
      ...figures,
      ["Activity", unit === null ? null : quantity(version.activity, unit)],
      ["Exported", version.exported === null ? null : quantity(version.exported, unit)],
      ["Covered by readings", percent(version.coverage)],
      ["Quality", version.code === null ? version.quality : `${version.quality}, method code ${version.code}`],
      ["State", version.state === "final" ? "final" : "provisional: readings may still come"],
    ]));
}

/** By which equation or factor, each with where it is from. */
function computation({ method, equation, factor, market_factor: market, closing, analysis, derived, derived_inputs: derivedInputs, total: version, activity_unit: unit }) {
  const parts = [];
  if (equation) {
    parts.push(node("p", {}, node("strong", { textContent: `Equation ${equation.id}` }), ` in ${equation.unit}, by ${equation.citation}`));
    parts.push(table(["Role", "Meaning", "Unit", "Basis"], equation.inputs.map(({ role, meaning, unit: of, basis }) => [role, meaning, of, basis])));
  }
  if (factor?.applied && version?.activity !== null && version !== null) {
    parts.push(node("p", { className: "formula", textContent: `${quantity(version.activity, unit)} × ${number.format(factor.applied.co2_kg)} kg CO₂ per ${factor.applied.per}` }));
  }
  if (factor) parts.push(cited("Factor", factor));
  if (market) parts.push(cited("Market-based factor", market));
  if (analysis) parts.push(detail("The fuel's own analysis", analysis));
  if (derived) parts.push(detail("The derived channel", derived));
  if (Object.keys(derivedInputs).length) parts.push(detail("Derived inputs", derivedInputs));
  if (closing) {
    const { validity, substitution } = closing;
    parts.push(node("p", { textContent: `Valid by ${validity.name} (${validity.citation}); missing hours by ${substitution.name}${substitution.citation ? ` (${substitution.citation})` : ""}.` }));
    parts.push(detail("Verdicts, substitution, calibrations and audits", closing));
  }
  return card(method === "stack" ? "Measured in the stack" : "Computed from an activity", ...parts);
}

function cited(name, factor) {
  const { id, citation, valid_from: from, valid_to: to, stale } = factor;
  const span = from ? `, valid from ${from}${to ? ` to ${to}` : ""}` : "";
  return node("div", {},
    node("p", {}, node("strong", { textContent: `${name} ${id ?? ""}`.trim() }), `${span}${citation ? `: ${citation}` : ""}`),
    ...(stale ? [node("p", { className: "doubt", textContent: `Stale: ${typeof stale === "string" ? stale : "a newer release should be there"}` })] : []),
    detail("All that is recorded of it", factor));
}

const detail = (summary, value) =>
  node("details", {}, node("summary", { textContent: summary }), tree(value));

function inputs({ inputs: list, hour }, view) {
  if (list.length === 0) return null;
  const parts = list.map((input) => {
    const { role, device, channel, unit, kind, covered_s: covered, readings, held, incidents } = input;
    const value = kind === "gauge" ? ["Mean, by time", quantity(input.mean, unit)] : ["Amount", quantity(input.amount, unit)];
    const qualities = Object.entries(readings.by_quality ?? {}).map(([name, count]) => `${count} ${name}`).join(", ");
    return node("div", { className: "input" },
      node("h3", { textContent: `${device}.${channel}` }),
      node("p", { className: "quiet", textContent: `${role}: ${kind} of ${input.quantity} in ${unit}` }),
      facts([
        value,
        ["Covered", `${exact.format(covered)} s of 3600 s`],
        ["Readings", `${readings.count}${qualities ? ` (${qualities})` : ""}`],
        ["Gaps", String(readings.gaps ?? 0)],
        ["As sent, least and greatest", readings.count ? `${number.format(readings.min)} – ${number.format(readings.max)}` : null],
        ["Above full scale", readings.over_full_scale ? String(readings.over_full_scale) : null],
        ["Exported", input.exported === null || input.exported === undefined ? null : quantity(input.exported, unit)],
      ]),
      ...(held.length ? [detail(`${held.length} increments not counted yet`, held)] : []),
      ...(incidents.length ? [detail(`${incidents.length} incidents of the register`, incidents)] : []),
      detail("Scale, offset and full scale in force", input.in_force),
      readingsOf({ facility: view.facility, device, channel, hour, zone: view.zone }));
  });
  return card("Inputs", ...parts);
}

function minutes({ minutes: list, activity_unit: unit }, { zone }) {
  if (list.length === 0) return null;
  const roles = Object.keys(list[0].inputs);
  const names = ["Minute", "CO₂, measured", "Added when closed", ...(unit ? [`Activity, ${unit}`] : []), "Covered", ...roles];
  const rows = list.map((minute) => [
    clockWords(Date.parse(minute.time), zone).slice(-5), kilograms(minute.co2_kg), kilograms(minute.closing_kg),
    ...(unit ? [quantity(minute.activity)] : []), percent(minute.coverage), ...roles.map((role) => quantity(minute.inputs[role])),
  ]);
  return card("Minutes", minuteBars(list, zone),
    node("details", {}, node("summary", { textContent: "Table" }), table(names, rows)));
}

/** Every version, the newest first, with why it was made and by what. */
function versions({ versions: list }, { zone, restatements, asOf, onVersion }) {
  if (list.length === 0) return null;
  const causes = new Map(restatements.map(({ version, cause }) => [version, cause]));
  const at = (time) => (time === null ? "in force" : clockWords(Date.parse(time), zone));
  const rows = [...list].reverse().map((version) => {
    const known = node("button", { type: "button", className: "plain", textContent: "Show", onclick: () => onVersion(version.superseded_at === null ? "" : version.known_at) });
    known.setAttribute("aria-label", `Show version ${version.version}`);
    return [
      String(version.version), at(version.known_at), at(version.superseded_at), kilograms(version.co2_kg),
      version.code === null ? version.quality : `${version.quality}, ${version.code}`, version.state,
      [version.reason, causes.get(version.version)].filter(Boolean).join(": "), known,
    ];
  });
  const note = asOf ? [node("p", {}, node("button", { type: "button", className: "plain", textContent: "Show what is known now", onclick: () => onVersion("") }))] : [];
  return card("Versions", ...note,
    table(["Version", "Known from", "Until", "CO₂", "Quality", "State", "Why", "As known then"], rows));
}
