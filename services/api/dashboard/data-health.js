// How tests of monitors stand, and when sources had no data, as tables.

import { node } from "./dom.js";
import { spanWords } from "./format.js";
import { plural, t } from "./words.js";
import { clockWords, wallAfter, wallOf } from "./zones.js";
import { table } from "./tree.js";

const $ = (id) => document.getElementById(id);

const TESTS = {
  calibration: t("daily calibration"), rata: t("relative accuracy audit"),
  linearity: t("linearity check"), cga: t("cylinder gas audit"),
};
const STATES = {
  passed: t("passed"), failed: t("failed"), none: t("none yet"), "audit-due": t("due within 30 days"),
  "audit-in-grace": t("in its grace period"), "audit-expired": t("expired: data do not count"),
};
const OPENED = 20;

/** Rows of `/v1/monitors`: what asks for something first, then by when it is due. */
export function drawMonitors(rows) {
  $("monitors").hidden = rows.length === 0;
  if (rows.length === 0) return;
  const order = [...rows].sort((a, b) => (a.state === "passed") - (b.state === "passed") || (Date.parse(a.due_before) || Infinity) - (Date.parse(b.due_before) || Infinity));
  const standing = rows.filter(({ state }) => state !== "passed").length;
  $("monitors").classList.toggle("standing", standing > 0);
  $("monitors-summary").textContent = standing ? plural("{n} asks for something", "{n} ask for something", standing) : t("all passed");
  $("monitor-rows").replaceChildren(table([t("Monitor"), t("Facility"), t("Test"), t("Last"), t("Result"), t("Due before")], order.map((row) => {
    const at = (time) => (time === null ? "–" : clockWords(Date.parse(time), row.timezone));
    return [
      row.channel, row.facility_name, TESTS[row.test], at(row.tested_at),
      node("span", { className: row.state === "passed" ? "" : "doubt", textContent: STATES[row.state], title: row.detail ?? "" }), at(row.due_before),
    ];
  })));
}

/** Gaps of `/v1/annotations`, the newest first; `facilities` by their ids. */
export function drawGaps(rows, facilities, days) {
  $("gaps-summary").textContent = rows.length === 0
    ? t("none in {n} days", { n: days })
    : plural("{n} in {days} days, of five minutes and longer", "{n} in {days} days, of five minutes and longer", rows.length, { days });
  const shown = [...rows].reverse().map(({ time, timeEnd, tags: [, id, source] }) => {
    const facility = facilities.get(id);
    // one that lasts has no end
    const [from, to] = [Date.parse(time), timeEnd === null ? Date.now() : Date.parse(timeEnd)];
    const name = facility?.sources.find((one) => one.id === source)?.name ?? source;
    const zone = facility?.timezone ?? "UTC";
    const around = { facility: id, from: wallAfter(wallOf(from, zone), -1, "h"), to: wallAfter(wallOf(to, zone), 1, "h") };
    return [
      node("a", { href: `/history?${new URLSearchParams(around)}`, textContent: name }), facility?.name ?? id,
      clockWords(from, zone), timeEnd === null ? t("now") : clockWords(to, zone), spanWords((to - from) / 1000),
    ];
  });
  const all = shown.length === 0 ? [] : [table([t("Source"), t("Facility"), t("From"), t("Until"), t("Length")], shown.slice(0, OPENED))];
  if (shown.length > OPENED) {
    all.push(node("details", {}, node("summary", { textContent: t("All {n} gaps", { n: shown.length }) }),
      table([t("Source"), t("Facility"), t("From"), t("Until"), t("Length")], shown.slice(OPENED))));
  }
  $("gap-rows").replaceChildren(...all);
}
