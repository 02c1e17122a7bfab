// The page of devices: which of them speak, what was refused and why, and how the pipeline is.

import { get, page, post, readiness } from "./api.js";
import { deviceTable, quarantineTable } from "./device-tables.js";
import { node } from "./dom.js";
import { listedFacilities, named, offer } from "./facility-list.js";
import { readAgain, say, sayUnread, sayWhy } from "./notice.js";

const $ = (id) => document.getElementById(id);
const REFRESH_MS = 10_000;
const PAGE = 50;

let chosen = new URLSearchParams(location.search).get("facility") ?? "";
let next = null;

start();

async function start() {
  const facilities = await listedFacilities();
  if (!facilities.some(({ id }) => id === chosen)) chosen = "";
  offer($("facility"), [["", "all"], ...named(facilities)], chosen, (id) => {
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
    $("devices-summary").textContent = `${devices.length} devices${silent ? `, ${silent} offline or never heard of` : ""}`;
    $("device-rows").replaceChildren(deviceTable(devices));
    readAgain();
  } catch (error) {
    sayUnread(error);
  }
}

/** What needs attention, although answers may be right. */
function drawPipeline({ ready, missing, notices, processes }) {
  const names = Object.entries(processes).map(([name, { ready: works, age_s: age }]) =>
    `${name} ${works ? "works" : `stands still${age === null ? "" : ` since ${Math.round(age)} s`}`}`);
  $("pipeline-summary").textContent = ready ? ["all is well", ...names].join(" · ") : ["not ready", ...names].join(" · ");
  $("pipeline").classList.toggle("standing", !ready || notices.length > 0);
  $("notices").replaceChildren(
    ...missing.map((text) => node("li", { className: "doubt", textContent: text })),
    ...notices.map(({ process, detail }) => node("li", {}, node("span", { className: "quiet", textContent: `${process}: ` }), detail)));
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
    $("quarantine-summary").textContent = $("quarantine-rows").childElementCount ? "newest first" : "nothing waits";
  } catch (error) {
    sayUnread(error);
  }
}

/** Process an entry again; what passes leaves the list. */
async function replay(id) {
  try {
    const { state, restored, refused } = await post("/v1/quarantine/replay", { ids: [id] });
    const reasons = Object.keys(refused).join(", ");
    const words = state !== "done" ? "The replay has begun." : restored ? "It is stored now." : `It was refused again: ${reasons}.`;
    startQuarantine();
    say(words);
  } catch (error) {
    sayWhy(error);
  }
}
