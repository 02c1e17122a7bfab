// What is configured of a facility, as tables: recipients, thresholds and budgets, factors.

import { inUnit, what } from "./alerts.js";
import { get, post } from "./api.js";
import { node } from "./dom.js";
import { ago, massText, percent } from "./format.js";
import { sayWhy } from "./notice.js";
import { presentWords } from "./present-value.js";
import { table } from "./tree.js";

const $ = (id) => document.getElementById(id);

/** Whom alerts are sent to, each kind with a button that tries it. */
export async function showRecipients(address) {
  const recipients = await get(`${address}/recipients`);
  $("recipients-summary").textContent = recipients.length ? "" : "Nobody is told of alerts; name somebody under notify.";
  if (recipients.length === 0) return $("recipient-rows").replaceChildren();
  const outcomes = new Map();
  $("recipient-rows").replaceChildren(table(["Recipient", "Signed with", "Waiting", "Last delivered", "Test"],
    recipients.map((recipient) => {
      const said = node("span", { className: "quiet" });
      outcomes.set(recipient.recipient, said);
      return [
        recipient.recipient, recipient.secret_env ?? "–", waiting(recipient),
        recipient.delivered_at === null ? "not yet" : ago(Date.parse(recipient.delivered_at)),
        node("span", { className: "steps" }, testButton(address, recipient, outcomes), said),
      ];
    })));
}

function waiting({ waiting: count, reason }) {
  if (count === 0) return "nothing";
  return reason === null ? String(count) : `${count}: ${reason}`;
}

function testButton(address, { kind, recipient }, outcomes) {
  const button = node("button", { type: "button", className: "plain", textContent: "Test" });
  button.setAttribute("aria-label", `Send a test message to ${recipient}`);
  button.onclick = async () => {
    button.disabled = true;
    outcomes.get(recipient).textContent = "Sending …";
    try {
      // recipients of a kind are tried together; each says what became of its message
      for (const tested of await post(`${address}/recipients/test`, { kinds: [kind] })) {
        const said = outcomes.get(tested.recipient);
        said.textContent = tested.delivered ? `Delivered in ${tested.took_s.toFixed(1)} s.` : `Not delivered: ${tested.reason}`;
        said.className = tested.delivered ? "good" : "doubt";
      }
    } catch (error) {
      outcomes.get(recipient).textContent = "";
      sayWhy(error);
    } finally {
      button.disabled = false;
    }
  };
  return button;
}

/** What is watched, with its present value where live totals have it. */
export async function showThresholds(facility) {
  const [thresholds, live] = await Promise.all([get("/v1/thresholds", { facility }), get("/v1/live", { facility })]);
  $("thresholds-summary").textContent = thresholds.length ? "" : "Nothing is watched.";
  $("threshold-rows").replaceChildren(...(thresholds.length ? [table(["Threshold", "Watches", "Limit", "Now", "State", "Set in"],
    thresholds.map((threshold) => [
      threshold.id, what(threshold), limitWords(threshold), nowWords(threshold, live), threshold.state,
      threshold.origin === "file" ? "facility file" : "API",
    ]))] : []));
}

/** The limit; of a budget, from which part of it on it warns. */
function limitWords({ above, below, budget, unit, figure }) {
  if (budget !== null) return `${percent(above)} of ${massText(budget)}`;
  return above === null ? `below ${inUnit(unit, below, figure)}` : `above ${inUnit(unit, above, figure)}`;
}

/** What it watches now; of a budget, what is used of it. */
function nowWords(threshold, live) {
  return presentWords(threshold.budget === null ? threshold : { ...threshold, unit: "kg" }, live) ?? "–";
}

/** Each version in force of a factor that the facility states or uses. */
export async function showFactors(address) {
  const factors = await get(`${address}/factors`);
  $("factors-summary").textContent = factors.length ? "kg for each unit of activity" : "None is used.";
  $("factor-rows").replaceChildren(...(factors.length ? [table(["Factor", "CO2", "CO2e", "Valid", "Used by", "Source"],
    factors.map(({ factor, unit, co2_kg: co2, co2e_kg: co2e, valid_from: from, valid_to: to, sources, in_file: inFile, citation }) => [
      inFile ? factor : node("span", {}, factor, node("small", { className: "quiet", textContent: " built in or imported" })),
      perUnit(co2, unit), perUnit(co2e, unit), validity(from, to), sources.join(", ") || "no source", citation || "–",
    ]))] : []));
}

const perUnit = (kg, unit) => (kg === null ? "by the hour" : `${Number(kg.toPrecision(6))} kg/${unit}`);

function validity(from, to) {
  if (from === null && to === null) return "always";
  if (to === null) return `from ${from}`;
  return from === null ? `until ${to}` : `${from} until ${to}`;
}
