// The page of reports: emissions of a month, quarter or year, to read, print and hand on.

import { get } from "./api.js";
import { node } from "./dom.js";
import { addressed, listedFacilities, named, offer } from "./facility-list.js";
import { wallTime } from "./format.js";
import { readAgain, sayUnread } from "./notice.js";
import { kindOf, periods } from "./report-periods.js";
import { reportTables } from "./report-tables.js";
import { language, t } from "./words.js";

const $ = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);

let facilities = [];
let facility = asked.get("facility") ?? "";
let period = asked.get("period") ?? "";
/** Answers to what is no longer chosen are dropped. */
let turn = 0;

start();

async function start() {
  facilities = await listedFacilities();
  const all = [["", t("All facilities")]];
  facility = (await addressed(facilities, facility, null, all))?.id ?? "";
  $("kind").value = kindOf(period) ?? "month";
  $("kind").onchange = () => choosePeriod(periods($("kind").value)[0]);
  $("print").onclick = () => window.print();
  offer($("facility"), [...all, ...named(facilities)], facility, (id) => {
    facility = id;
    show();
  });
  choosePeriod(kindOf(period) ? period : periods("month")[0]);
}

function choosePeriod(chosen) {
  period = chosen;
  const offered = periods($("kind").value);
  // an address may name one from before
  const all = offered.includes(period) ? offered : [period, ...offered];
  offer($("period"), all.map((one) => [one, one]), period, (one) => {
    period = one;
    show();
  });
  show();
}

async function show() {
  const own = (turn += 1);
  const chosen = { period, ...(facility && { facility }) };
  history.replaceState(null, "", `?${new URLSearchParams(chosen)}`);
  const query = { ...chosen, language };
  for (const format of ["xlsx", "pdf"]) $(format).href = address({ ...query, format });
  $("report").setAttribute("aria-busy", "true");
  try {
    const report = await get("/v1/reports/emissions", query);
    if (own !== turn) return;
    draw(report, query);
    readAgain();
  } catch (error) {
    if (own !== turn) return;
    clear();
    sayUnread(error);
  }
  $("report").setAttribute("aria-busy", "false");
}

const address = (query) => `/v1/reports/emissions?${new URLSearchParams(query)}`;

function clear() {
  $("facts").replaceChildren();
  $("remarks").replaceChildren();
  $("tables").replaceChildren();
}

function draw(report, query) {
  const zones = new Set(report.facilities.map(({ timezone }) => timezone));
  const zone = zones.size === 1 ? [...zones][0] : "UTC";
  const title = t("Emissions of {who}, {period}", { who: report.name ?? t("All facilities"), period: report.period });
  $("title").textContent = title;
  document.title = `${title} · tonne`;
  const begins = report.facilities.map((one) => one.begins).sort()[0];
  const ends = report.facilities.map((one) => one.ends).sort().at(-1);
  const facts = [
    [t("Period"), report.period],
    [t("Begins"), begins && wallTime(new Date(begins), zone)],
    [t("Ends"), ends && wallTime(new Date(ends), zone)],
    [t("Time zone"), zone],
    [t("As known at"), wallTime(new Date(report.known_at), zone)],
    [t("State"), t(report.state)],
  ];
  $("facts").replaceChildren(...facts.filter(([, text]) => text).map(([name, text]) =>
    node("div", {}, node("dt", { textContent: name }), node("dd", { textContent: text }))));
  $("remarks").replaceChildren(...report.remarks.map(({ level, text }) =>
    node("li", { className: level === "warning" ? "doubt" : "quiet", textContent: text })));
  $("tables").replaceChildren(...reportTables(report, zone, (table) => address({ ...query, format: "csv", table })));
}
