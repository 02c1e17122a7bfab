// The page of devices: which of them speak, what was refused and why, and how the pipeline is.

import { ApiError, get, page, post, readiness } from "./api.js";
import { deviceTable, quarantineTable } from "./device-tables.js";
import { node } from "./dom.js";
import { signIn } from "./sign-in.js";

const $ = (id) => document.getElementById(id);
const REFRESH_MS = 10_000;
const PAGE = 50;

let chosen = new URLSearchParams(location.search).get("facility") ?? "";
let facilities = [];
let next = null;

start();
setInterval(() => document.visibilityState === "visible" && refresh(), REFRESH_MS);

async function start() {
  await refresh();
  const select = $("facility");
  select.replaceChildren(new Option("all", ""), ...facilities.map(({ id, name }) => new Option(name, id)));
  if (!facilities.some(({ id }) => id === chosen)) chosen = "";
  select.value = chosen;
  select.disabled = false;
  select.onchange = () => {
    chosen = select.value;
    history.replaceState(null, "", chosen ? `?${new URLSearchParams({ facility: chosen })}` : location.pathname);
    refresh();
    startQuarantine();
  };
  $("older").onclick = () => readQuarantine(next);
  startQuarantine();
}

async function refresh() {
  try {
    const [listed, ready] = await Promise.all([get("/v1/facilities"), readiness()]);
    facilities = listed;
    drawPipeline(ready);
    const shown = facilities.filter(({ id }) => !chosen || id === chosen);
    const devices = shown.flatMap((facility) => facility.devices.map((device) => ({ ...device, facility })));
    const silent = devices.filter(({ last_seen: seen, online }) => seen === null || online === false).length;
    $("devices-summary").textContent = `${devices.length} devices${silent ? `, ${silent} offline or never heard of` : ""}`;
    $("device-rows").replaceChildren(deviceTable(devices));
    say("");
  } catch (error) {
    failed(error);
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
    failed(error);
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
    failed(error);
  }
}

function failed(error) {
  if (error.status === 401) return signIn(error);
  say(error instanceof ApiError ? error.message : "The API cannot be reached; trying again.");
}

function say(text) {
  $("notice").textContent = text;
  $("notice").hidden = text === "";
}
