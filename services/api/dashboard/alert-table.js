// Alerts of the past as a table: what, since when and for how long, how far, who knew.

import { KINDS } from "./alert-codes.js";
import { headline, inUnit, what } from "./alerts.js";
import { whoWords } from "./audit-words.js";
import { severityWords } from "./codes.js";
import { node } from "./dom.js";
import { clockWords } from "./zones.js";
import { table } from "./tree.js";
import { t } from "./words.js";

const NAMES = [
  t("Alert"), t("Facility"), t("Severity"), t("Watched"), t("Fired"), t("Ended"), t("Value then"), t("Limit"), t("Acknowledged by"),
  ...Object.values(KINDS), t("Comment")];

export function pastTable(alerts, facilities, codes) {
  return table(NAMES, alerts.map((alert) => {
    const facility = facilities.get(alert.facility);
    const zone = facility?.timezone ?? "UTC";
    const at = (time) => clockWords(Date.parse(time), zone);
    const link = node("a", { href: `/alerts?${new URLSearchParams({ alert: alert.id })}`, textContent: alert.threshold });
    return [
      link, facility?.name ?? alert.facility, severityWords(alert.severity), what(alert), at(alert.fired_at), ended(alert, at),
      inUnit(alert.unit, alert.value, alert.figure), headline(alert), whoWords(alert.acked_by) ?? "–",
      ...Object.keys(KINDS).map((kind) => codes.text(alert.facility, kind, alert) ?? "–"), alert.comment ?? "–",
    ];
  }));
}

/** When an alert ended, or what it is. */
export function ended({ undone_at: undone, undone_by: why, resolved_at: resolved, ended_by: by, state }, at) {
  if (undone) return `${t("retracted {time}", { time: at(undone) })}${why ? `: ${why}` : ""}`;
  if (resolved) return `${at(resolved)}${by ? `: ${by}` : ""}`;
  return state === "no-data" ? t("stands; no data now") : t("stands");
}
