// The page of devices: which of them speak, what was refused and why, and how the pipeline is.

import { get, page, post, readiness } from "./api.js";
import { deviceTable, quarantineTable } from "./device-tables.js";
import { node } from "./dom.js";
import { listedFacilities, named, offer } from "./facility-list.js";
import { readAgain, say, sayUnread, sayWhy } from "./notice.js";
import { noticeWords, reasonWord } from "./pipeline-words.js";
import { plural, t } from "./words.js";

const $ = (id) => document.getElementById(id);
const REFRESH_MS = 10_000;
const PAGE = 50;

let chosen = new URLSearchParams(location.search).get("facility") ?? "";
let next = null;

start();

async function start() {
  const facilities = await listedFacilities();
  if (!facilities.some(({ id }) => id === chosen)) chosen = "";
  offer($("facility"), [["", t("all")], ...named(facilities)], chosen, (id) => {
    chosen = id;
    history.replaceState(null, "", chosen ? `?${new URLSearchParams({ facility: chosen })}` : location.pathname);
    refresh();
    startQuarantine();
  });
  $("older").onclick = () => readQuarantine(next);
  setInterval(() => document.visibilityState === "visible" && refresh(), REFRESH_MS);
  refresh();
  startQuarantine();
}

async function refresh() {
  try {
    const [facilities, ready] = await Promise.all([get("/v1/facilities"), readiness()]);
    drawPipeline(ready);
    const shown = facilities.filter(({ id }) => !chosen || id === chosen);
    const devices = shown.flatMap((facility) => facility.devices.map((device) => ({ ...device, facility })));
    const silent = devices.filter(({ last_seen: seen, online }) => seen === null || online === false).length;
    const all = plural("{n} device", "{n} devices", devices.length);
    $("devices-summary").textContent = silent ? t("{devices}, {silent} offline or never heard of", { devices: all, silent }) : all;
    $("device-rows").replaceChildren(deviceTable(devices));
    readAgain();
  } catch (error) {
    sayUnread(error);
  }
}

/** What needs attention, although answers may be right. */
function drawPipeline({ ready, missing, notices, processes }) {
  const each = Object.entries(processes).map(processWords);
  $("pipeline-summary").textContent = [ready ? t("all is well") : t("not ready"), ...each].join(" · ");
  $("pipeline").classList.toggle("standing", !ready || notices.length > 0);
  $("notices").replaceChildren(
    ...missing.map((text) => node("li", { className: "doubt", textContent: text })),
    ...notices.map((notice) => node("li", {}, node("span", { className: "quiet", textContent: `${notice.process}: ` }), noticeWords(notice))));
}

function processWords([process, { ready, age_s: age }]) {
  if (ready) return t("{process} works", { process });
  if (age === null) return t("{process} stands still", { process });
  return t("{process} stands still since {n} s", { process, n: Math.round(age) });
}

function startQuarantine() {
  $("quarantine-rows").replaceChildren();
  readQuarantine(`/v1/quarantine?${new URLSearchParams({ ...(chosen && { facility: chosen }), limit: PAGE })}`);
}

async function readQuarantine(from) {
  try {
    const read = await page(from);
    next = read.next;
    $("older").hidden = next === null;
    if (read.rows.length) $("quarantine-rows").append(quarantineTable(read.rows, replay));
    $("quarantine-summary").textContent = $("quarantine-rows").childElementCount ? t("newest first") : t("nothing waits");
  } catch (error) {
    sayUnread(error);
  }
}

/** Process an entry again; what passes leaves the list. */
async function replay(id) {
  try {
    const { state, restored, refused } = await post("/v1/quarantine/replay", { ids: [id] });
    startQuarantine();
    if (state !== "done") say(t("The replay has begun."));
    else if (restored) say(t("It is stored now."));
    else say(t("It was refused again: {reasons}.", { reasons: Object.keys(refused).map(reasonWord).join(", ") }));
  } catch (error) {
    sayWhy(error);
  }
}
