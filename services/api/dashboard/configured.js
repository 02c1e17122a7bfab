// What is configured of a facility, as tables: recipients, thresholds and budgets, factors.

import { inUnit, what } from "./alerts.js";
import { alertStateWords } from "./codes.js";
import { get, post } from "./api.js";
import { node } from "./dom.js";
import { NO_DATA, ago, massText, oneDecimal, percent } from "./format.js";
import { sayWhy } from "./notice.js";
import { presentWords } from "./present-value.js";
import { table } from "./tree.js";
import { Turns } from "./turns.js";
import { markRead } from "./unread.js";
import { locale, t } from "./words.js";

/** What live totals do not have. */
const NOT_LIVE = "–";

const $ = (id) => document.getElementById(id);
/** What comes late is of a facility that was chosen before. */
const [ofRecipients, ofThresholds, ofFactors] = [new Turns(), new Turns(), new Turns()];

/** Whom alerts are sent to, each kind with a button that tries it. */
export async function showRecipients(address) {
  const isNewest = ofRecipients.begin();
  const recipients = await get(`${address}/recipients`);
  if (!isNewest()) return;
  markRead($("recipients"));
  $("recipients-summary").textContent = recipients.length ? "" : t("Nobody is told of alerts; name somebody under notify.");
  if (recipients.length === 0) return $("recipient-rows").replaceChildren();
  const outcomes = new Map();
  $("recipient-rows").replaceChildren(table([t("Recipient"), t("Signed with"), t("Waiting"), t("Last delivered"), t("Test")],
    recipients.map((recipient) => {
      const said = node("span", { className: "quiet" });
      outcomes.set(recipient.recipient, said);
      return [
        recipient.recipient, recipient.secret_env ?? "–", waiting(recipient),
        recipient.delivered_at === null ? t("not yet") : ago(Date.parse(recipient.delivered_at)),
        node("span", { className: "steps" }, testButton(address, recipient, outcomes), said),
      ];
    })));
}

function waiting({ waiting: count, reason }) {
  if (count === 0) return t("nothing");
  return reason === null ? String(count) : `${count}: ${reason}`;
}

function testButton(address, { kind, recipient }, outcomes) {
  const button = node("button", { type: "button", className: "plain", textContent: t("Test") });
  button.setAttribute("aria-label", t("Send a test message to {recipient}", { recipient }));
  button.onclick = async () => {
    button.disabled = true;
    outcomes.get(recipient).textContent = t("Sending …");
    try {
      // recipients of a kind are tried together; each says what became of its message
      for (const tested of await post(`${address}/recipients/test`, { kinds: [kind] })) {
        const said = outcomes.get(tested.recipient);
        said.textContent = tested.delivered
          ? t("Delivered in {seconds} s.", { seconds: oneDecimal.format(tested.took_s) })
          : t("Not delivered: {reason}", tested);
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
  const isNewest = ofThresholds.begin();
  const [thresholds, live] = await Promise.all([get("/v1/thresholds", { facility }), get("/v1/live", { facility })]);
  if (!isNewest()) return;
  markRead($("thresholds"));
  $("thresholds-summary").textContent = thresholds.length ? "" : t("Nothing is watched.");
  $("threshold-rows").replaceChildren(...(thresholds.length ? [table([t("Threshold"), t("Watches"), t("Limit"), t("Now"), t("State"), t("Set in")],
    thresholds.map((threshold) => {
      const now = nowWords(threshold, live);
      return [
        threshold.id, what(threshold), limitWords(threshold), now, stateWords(threshold, now),
        threshold.origin === "file" ? t("facility file") : "API",
      ];
    }))] : []));
}

/** Of a part that is known and below the limit nobody can tell whether the whole is. */
const stateWords = ({ state }, now) =>
  state === "no-data" && now !== NO_DATA && now !== NOT_LIVE ? t("not known: data are missing") : alertStateWords(state);

/** The limit; of a budget, from which part of it on it warns. */
function limitWords({ above, below, budget, unit, figure }) {
  if (budget !== null) return t("{share} of {budget}", { share: percent(above), budget: massText(budget) });
  return above === null
    ? t("below {limit}", { limit: inUnit(unit, below, figure) })
    : t("above {limit}", { limit: inUnit(unit, above, figure) });
}

/** What it watches now; of a budget, what is used of it. */
function nowWords(threshold, live) {
  return presentWords(threshold.budget === null ? threshold : { ...threshold, unit: "kg" }, live) ?? NOT_LIVE;
}

/** Each version in force of a factor that the facility states or uses. */
export async function showFactors(address) {
  const isNewest = ofFactors.begin();
  const factors = await get(`${address}/factors`);
  if (!isNewest()) return;
  markRead($("factors"));
  $("factors-summary").textContent = factors.length ? t("kg for each unit of activity") : t("None is used.");
  $("factor-rows").replaceChildren(...(factors.length ? [table([t("Factor"), "CO2", "CO2e", t("Valid"), t("Used by"), t("Publication")],
    factors.map(({ factor, unit, co2_kg: co2, co2e_kg: co2e, valid_from: from, valid_to: to, sources, in_file: inFile, citation }) => [
      inFile ? factor : node("span", {}, factor, node("small", { className: "quiet", textContent: ` ${t("built in or imported")}` })),
      perUnit(co2, unit), perUnit(co2e, unit), validity(from, to), sources.join(", ") || t("no source"), citation || "–",
    ]))] : []));
}

const sixFigures = new Intl.NumberFormat(locale, { maximumSignificantDigits: 6 });
const perUnit = (kg, unit) => (kg === null ? t("by the hour") : `${sixFigures.format(kg)} kg/${unit}`);

function validity(from, to) {
  if (from === null && to === null) return t("always");
  if (to === null) return t("from {from}", { from });
  return from === null ? t("until {to}", { to }) : t("{from} until {to}", { from, to });
}
