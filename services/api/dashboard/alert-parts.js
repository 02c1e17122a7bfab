// One alert by itself: its value beside its limit, who knows, comments, and how it went.

import { whoWords } from "./audit-words.js";
import { KINDS } from "./alert-codes.js";
import { headline, inUnit, olderValue, what } from "./alerts.js";
import { ended } from "./alert-table.js";
import { send } from "./api.js";
import { card, facts } from "./cards.js";
import { alertStateWords, severityWords } from "./codes.js";
import { node } from "./dom.js";
import { sayWhy } from "./notice.js";
import { table } from "./tree.js";
import { t } from "./words.js";
import { clockWords, wallAfter, wallOf } from "./zones.js";

const HOURS = { 1: t("an hour"), 8: t("8 hours"), 24: t("a day"), 168: t("a week") };

/** The cards of an answer of `/v1/alerts/{id}`; `course` is that of its course. */
export function alertParts(alert, { facility, codes, maintenance, course, acknowledge, changed }) {
  const at = (time) => clockWords(Date.parse(time), facility.timezone);
  const isOver = alert.resolved_at !== null || alert.undone_at !== null;
  const pairs = [
    [t("Facility"), facility.name], [t("Watched"), what(alert)], [t("Severity"), severityWords(alert.severity)],
    [t("Limit"), headline(alert)], [t("Value when it fired"), inUnit(alert.unit, alert.value, alert.figure)],
    [t("Now"), isOver ? null : olderValue(alert, facility.timezone) ?? inUnit(alert.unit, alert.present_value, alert.figure)],
    [t("First minute beyond"), at(alert.started_at)], [t("Fired"), at(alert.fired_at)], [t("Ended"), ended(alert, at)],
    [t("Acknowledged by"), alert.acked_by ? `${whoWords(alert.acked_by)}, ${at(alert.acked_at)}` : t("nobody yet")],
    ...Object.entries(KINDS).map(([kind, name]) => [name, codes.text(alert.facility, kind, alert)]),
    [t("Notifications"), alert.maintenance ? t("muted by {maintenance}", alert) : null],
  ];
  const cards = [
    card(t("Alert"), ...(alert.message ? [node("p", { textContent: alert.message })] : []), facts(pairs), node("p", {}, around(alert, facility))),
    course,
    card(t("Comments"), ...comments(alert, codes, at), ...(isOver ? [] : [acknowledgement(alert, codes, acknowledge)])),
    card(t("How it went"), table([t("Time"), t("State"), t("Value"), t("Limit"), t("Judged")], alert.transitions.map((step) => [
      at(step.at), step.undone_at ? t("{state}, retracted", { state: alertStateWords(step.state) }) : alertStateWords(step.state),
      inUnit(alert.unit, step.value, alert.figure), inUnit(alert.unit, step.limit, alert.figure), at(step.judged_at),
    ]))),
  ];
  if (!isOver) cards.splice(3, 0, card(t("Snooze"), ...muting(alert, maintenance, at), ...snooze(alert, facility, changed)));
  return cards;
}

/** The history about the time in which it fired. */
function around(alert, facility) {
  const wall = wallOf(Date.parse(alert.started_at), facility.timezone);
  const span = { facility: facility.id, from: wallAfter(wall, -12, "h"), to: wallAfter(wall, 12, "h") };
  return node("a", { href: `/history?${new URLSearchParams(span)}`, textContent: t("The time around it in the history") });
}

function comments({ facility, comments: list }, codes, at) {
  if (list.length === 0) return [node("p", { className: "quiet", textContent: t("Nobody has said anything yet.") })];
  return list.map((said) => node("p", {},
    node("span", { className: "quiet", textContent: `${at(said.at)}, ${whoWords(said.by)}: ` }),
    [...codes.texts(facility, said), said.comment].filter(Boolean).join(" · ")));
}

function acknowledgement(alert, codes, acknowledge) {
  const input = node("input", { name: "comment", maxLength: 1000, autocomplete: "off", id: "comment" });
  const selects = Object.keys(KINDS).map((kind) => node("select", { name: kind },
    new Option("–", ""), ...codes.offered([alert.facility], kind).map(([code, text]) => new Option(text, code))));
  const form = node("form", { className: "filters" },
    ...selects.map((select) => node("label", {}, `${KINDS[select.name]} `, select)),
    node("label", {}, `${t("Comment")} `, input),
    node("button", { type: "submit", textContent: alert.acked_at ? t("Comment") : t("Acknowledge") }));
  // whoever knows of it already must say something
  const demand = () => {
    input.required = alert.acked_at !== null && selects.every(({ value }) => value === "");
  };
  demand();
  form.onchange = demand;
  form.onsubmit = (event) => {
    event.preventDefault();
    const said = [...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value);
    form.reset();
    acknowledge(alert.id, Object.fromEntries(said));
  };
  return form;
}

/** The maintenance that its threshold is under, stated here, in the facility file or by the API. */
function muting({ threshold, source }, maintenance, at) {
  const concerns = ({ thresholds, sources }) =>
    (thresholds === null && sources === null) || thresholds?.includes(threshold) || (source !== null && sources?.includes(source));
  return maintenance.filter(concerns).map(({ id: slug, from, to, reason, stated_by: by }) => {
    const id = [slug, whoWords(by)].filter(Boolean).join(", ");
    const textContent = t("Nobody is notified from {from} until {to} ({id}): {reason}", { from: at(from), to: at(to), id, reason });
    return node("p", { className: "doubt", textContent });
  });
}

/** Maintenance of its threshold: alerts are recorded, and nobody is notified. */
function snooze(alert, facility, changed) {
  const reason = node("input", { maxLength: 500, autocomplete: "off", required: true, placeholder: t("why") });
  const hours = node("select", { name: "hours" }, ...Object.entries(HOURS).map(([value, name]) => new Option(name, value)));
  const form = node("form", { className: "filters" },
    node("label", {}, `${t("For")} `, hours), node("label", {}, `${t("Reason")} `, reason),
    node("button", { type: "submit", textContent: t("Snooze") }));
  form.onsubmit = async (event) => {
    event.preventDefault();
    const from = Date.now();
    const to = from + Number(hours.value) * 3_600_000;
    const id = `snooze-${alert.id}-${Math.floor(from / 1000)}`;
    try {
      await send("PUT", `/v1/maintenance/${id}?${new URLSearchParams({ facility: facility.id })}`, {
        from: new Date(from).toISOString(), to: new Date(to).toISOString(),
        thresholds: [alert.threshold], reason: reason.value.trim(),
      });
      form.reset();
      await changed();
    } catch (error) {
      sayWhy(error);
    }
  };
  return [node("p", { className: "quiet", textContent: t("Alerts of this threshold are recorded, and nobody is notified; what still fires at the end is notified then.") }), form];
}
