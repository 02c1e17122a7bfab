// Facilities as a table: a row each, in any order, and the sum of those that are shown.

import { node } from "./dom.js";
import { NO_DATA, ago, massText, percent, rateText } from "./format.js";
import { UNREAD } from "./unread.js";
import { locale, plural, t } from "./words.js";

/** Devices whose status topic says nothing are silent when nothing came for so long. */
const SILENT_MS = 24 * 3_600_000;

/** A facility is known in full from here on: a minute of each day may be missing. */
const WHOLE = 0.999;

const alertsOf = (row) => row.alerts_critical * 1_000_000 + row.alerts_warning * 1000 + row.alerts_info;
const used = (row, { limits }) => {
  const limit = limits?.get(row.facility);
  return limit && row.year_kg !== null ? row.year_kg / whole(limit) : null;
};
/** What is left of the year on a facility's paths; of several the one with least left. */
const leftOf = (row, { paths }) => {
  const known = (paths?.get(row.facility) ?? []).map(({ year_left_kg: kg }) => kg).filter((kg) => kg !== null);
  return known.length ? Math.min(...known) : null;
};

const whole = ({ budget, value }) => (budget === null ? value : budget);

/** What a column is called, what it is ordered by (unknown last), and what stands in it. */
const COLUMNS = [
  ["name", t("Facility"), (row) => row.name.toLowerCase(), nameCell],
  ["rate", t("Now"), (row) => row.rate_kg_h, rateCell],
  ["today", t("Today"), (row) => row.today_kg, (row) => massCell(row, "today")],
  ["month", t("This month"), (row) => row.month_kg, (row) => massCell(row, "month")],
  ["year", t("This year"), (row) => row.year_kg, (row) => massCell(row, "year")],
  ["budget", t("Year's budget"), used, budgetCell],
  ["path", t("Path, this year"), (row, beside) => negated(leftOf(row, beside)), pathCell],
  ["alerts", t("Alerts"), alertsOf, alertCell],
  ["data", t("Newest data"), (row) => row.newest_reading ?? "", dataCell],
];

/** The path with least left stands above the one with most, as what is worst does elsewhere. */
const negated = (value) => (value === null ? null : -value);

export function drawHeads(line, order, choose) {
  if (line.children.length !== COLUMNS.length) {
    line.replaceChildren(...COLUMNS.map(([by, title]) => node("th", { scope: "col" },
      node("button", { type: "button", className: "sort", textContent: title, onclick: () => choose(by) }))));
  }
  COLUMNS.forEach(([by], index) => {
    line.children[index].ariaSort = by === order.by ? (order.down ? "descending" : "ascending") : "none";
  });
}

export function inOrder(rows, { by, down }, beside) {
  const [, , key] = COLUMNS.find(([name]) => name === by) ?? COLUMNS[0];
  const sign = down ? -1 : 1;
  return rows
    .map((row) => [key(row, beside), row])
    .sort(([a, first], [b, second]) => {
      if (a === null || b === null) return (a === null) - (b === null) || byName(first, second);
      return (a < b ? -sign : a > b ? sign : 0) || byName(first, second);
    })
    .map(([, row]) => row);
}

const byName = (a, b) => a.name.localeCompare(b.name, locale) || a.facility.localeCompare(b.facility);

/** Cells are written anew, rows stay: what is focused in them too. */
export function drawRows(body, rows, beside, figure) {
  const present = new Map([...body.children].map((line) => [line.dataset.facility, line]));
  const lines = rows.map((row) => {
    const line = present.get(row.facility) ?? emptyLine(row);
    COLUMNS.forEach(([, , , fill], index) => fillCell(line.children[index], fill(row, beside, figure)));
    return line;
  });
  if (lines.length !== body.children.length || lines.some((line, index) => body.children[index] !== line)) {
    body.replaceChildren(...lines);
  }
}

function emptyLine({ facility }) {
  const line = node("tr", {}, ...COLUMNS.map(([, title], index) => {
    const cell = node(index ? "td" : "th");
    if (index) cell.dataset.label = title;
    else cell.scope = "row";
    return cell;
  }));
  line.dataset.facility = facility;
  return line;
}

/** Write `main` and what stands below it, texts or elements, where the cell does not say so already. */
function fillCell(cell, { main, more = [], className = "" }) {
  const says = JSON.stringify([main.outerHTML ?? main, more.map((part) => part.outerHTML ?? part), className]);
  if (cell.dataset.says === says) return;
  cell.dataset.says = says;
  cell.className = className;
  cell.replaceChildren(main, ...more.map((part) =>
    typeof part === "string" ? node("small", { className: "more", textContent: part }) : part));
}

function nameCell({ facility, name }, _, figure) {
  const shown = new URLSearchParams({ facility, ...(figure !== "co2" && { figure }) });
  const link = node("a", { href: `/?${shown}`, textContent: name, className: "name" });
  return { main: link, more: name === facility ? [] : [facility] };
}

function rateCell({ rate_kg_h: kg, sources, sources_known: known }) {
  const more = known === sources ? [] : [sourcesKnown(known, sources)];
  return { main: rateText(kg), more, className: kg === null ? "unknown" : "" };
}

const sourcesKnown = (known, all) => plural("{known} of one source known", "{known} of {n} sources known", all, { known });

function massCell(row, window) {
  const kg = row[`${window}_kg`];
  const [known, filled] = [row[`${window}_coverage`], row[`${window}_substituted`]];
  const more = [
    ...(kg !== null && known < 1 ? [t("{share} known", { share: percent(known) })] : []),
    ...(filled > 0 ? [node("span", { className: "filled", textContent: t("{share} substituted", { share: percent(filled) }) })] : []),
  ];
  return { main: massText(kg), more, className: kg === null ? "unknown" : "" };
}

const UNREAD_CELL = { main: UNREAD, className: "unknown" };

function budgetCell(row, beside) {
  if (beside.limits === null) return UNREAD_CELL;
  const limit = beside.limits.get(row.facility);
  if (!limit) return { main: "–", className: "none" };
  const mass = massText(whole(limit));
  const text = limit.budget === null ? t("of limit {mass}", { mass }) : t("of budget {mass}", { mass });
  if (row.year_kg === null) return { main: NO_DATA, more: [text], className: "unknown" };
  const line = node("span", { className: "limit", textContent: percent(row.year_kg / whole(limit)) });
  line.dataset.passed = row.year_kg > limit.value ? limit.severity : "";
  return { main: line, more: [text] };
}

function pathCell(row, { paths }) {
  if (paths === null) return UNREAD_CELL;
  const known = paths.get(row.facility) ?? [];
  if (known.length === 0) return { main: "–", className: "none" };
  const lines = known.map(({ scope, year_left_kg: left, allowed_kg: allowed }) => {
    const named = (words) => (known.length > 1 ? t("scope {scope}: {words}", { scope, words }) : words);
    if (left === null) return node("span", { className: "line unknown", textContent: named(NO_DATA) });
    const words = left < 0 ? t("{mass} too much", { mass: massText(-left) }) : t("{mass} left", { mass: massText(left) });
    const line = node("span", { className: "line limit", textContent: named(words) });
    line.dataset.passed = left < 0 ? "warning" : "";
    line.title = t("of {mass} allowed", { mass: massText(allowed) });
    return line;
  });
  return { main: lines[0], more: lines.slice(1) };
}

function alertCell({ alerts_critical: critical, alerts_warning: warning, alerts_info: info }) {
  const said = [
    ["critical", critical, t("{n} critical", { n: critical })],
    ["warning", warning, plural("{n} warning", "{n} warnings", warning)],
    ["info", info, plural("{n} info", "{n} info", info)],
  ].filter(([, count]) => count > 0);
  if (said.length === 0) return { main: t("none"), className: "none" };
  const [first, ...others] = said.map(([severity, , words]) => {
    const line = node("span", { className: "line limit", textContent: words });
    line.dataset.passed = severity;
    return line;
  });
  return { main: first, more: others };
}

function dataCell({ facility, newest_reading: newest }, { devices }) {
  const all = devices?.get(facility) ?? [];
  const offline = all.filter(({ online }) => online === false).length;
  const silent = all.filter(({ online, last_seen: seen }) => online !== false && (seen === null || Date.now() - Date.parse(seen) > SILENT_MS)).length;
  const more = [
    ...(offline ? [plural("{offline} of one device offline", "{offline} of {n} devices offline", all.length, { offline })] : []),
    ...(silent ? [plural("{silent} of one device silent for a day", "{silent} of {n} devices silent for a day", all.length, { silent })] : []),
  ];
  return newest === null
    ? { main: NO_DATA, more, className: "unknown" }
    : { main: ago(Date.parse(newest)), more };
}

/**
 * Draw what the facilities that are shown emit together, and of how many it is known in full; `rows`: null before
 * they were read.
 */
export function drawSum(list, rows, all) {
  const facts = rows === null ? SUMMED.map((name) => [name, UNREAD, ""]) : factsOf(rows, all);
  if (list.children.length !== facts.length) {
    list.replaceChildren(...facts.map(([name]) => node("div", { className: "card" },
      node("dt", { textContent: name }), node("dd"), node("dd", { className: "quiet" }))));
  }
  facts.forEach(([, shown, words], index) => {
    const [, main, quiet] = list.children[index].children;
    if (main.textContent !== shown) main.textContent = shown;
    if (quiet.textContent !== words) quiet.textContent = words;
  });
}

const SUMMED = [t("Emitting now"), t("Today"), t("This month"), t("This year"), t("Facilities")];

function factsOf(rows, all) {
  const added = (key) => {
    const values = rows.map((row) => row[key]).filter((value) => value !== null);
    return values.length ? values.reduce((sum, value) => sum + value, 0) : null;
  };
  const known = (window) => {
    const count = rows.filter((row) => row[`${window}_kg`] !== null && row[`${window}_coverage`] >= WHOLE).length;
    return count === rows.length
      ? t("all facilities known")
      : plural("{known} of one facility known in full", "{known} of {n} facilities known in full", rows.length, { known: count });
  };
  const sources = rows.reduce((sum, row) => sum + row.sources, 0);
  const told = rows.reduce((sum, row) => sum + row.sources_known, 0);
  const values = [
    [rateText(added("rate_kg_h")), sourcesKnown(told, sources)],
    ...["today", "month", "year"].map((window) => [massText(added(`${window}_kg`)), known(window)]),
    [rows.length === all ? `${all}` : t("{n} of {all}", { n: rows.length, all }), standing(rows)],
  ];
  return values.map((words, i) => [SUMMED[i], ...words]);
}

function standing(rows) {
  const count = rows.filter((row) => alertsOf(row) > 0).length;
  return count === 0 ? t("no alert stands") : t("{n} with alerts", { n: count });
}
