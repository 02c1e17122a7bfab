// The page of devices: which of them speak, what was refused and why, and how the pipeline is.

import { get, page, post, readiness } from "./api.js";
import { drawGaps, drawMonitors } from "./data-health.js";
import { deviceTable, quarantineTable } from "./device-tables.js";
import { node, redraw } from "./dom.js";
import { addressed, listedFacilities, named, offer } from "./facility-list.js";
import { readAgain, say, sayUnread, sayWhy } from "./notice.js";
import { noticeWords, reasonWord } from "./pipeline-words.js";
import { Turns } from "./turns.js";
import { beginUnknown, readUnknown } from "./unknown-devices.js";
import { markRead, markUnread } from "./unread.js";
import { plural, t } from "./words.js";

const $ = (id) => document.getElementById(id);
const REFRESH_MS = 10_000;
const PAGE = 50;

/** Days of which gaps are listed; they are read when a facility is chosen, for that takes long. */
const GAP_DAYS = 7;

let chosen = new URLSearchParams(location.search).get("facility") ?? "";
let next = null;
/** What comes late is of a facility that was chosen before. */
const [refreshing, readingHealth, readingQuarantine] = [new Turns(), new Turns(), new Turns()];

start();

async function start() {
  const facilities = await listedFacilities();
  const all = [["", t("all")]];
  chosen = (await addressed(facilities, chosen, null, all))?.id ?? "";
  remember();
  offer($("facility"), [...all, ...named(facilities)], chosen, (id) => {
    chosen = id;
    remember();
    markUnread(...["devices", "monitors", "gaps", "quarantine"].map($));
    refresh();
    readHealth();
    startQuarantine();
  });
  beginUnknown(facilities, refresh);
  $("older").onclick = () => readQuarantine(next);
  setInterval(() => document.visibilityState === "visible" && refresh(), REFRESH_MS);
  refresh();
  readHealth();
  startQuarantine();
}

/** The address names what is shown, so that it can be sent to somebody. */
const remember = () => history.replaceState(null, "", chosen ? `?${new URLSearchParams({ facility: chosen })}` : location.pathname);

const ofChosen = () => (chosen ? { facility: chosen } : {});

async function refresh() {
  const isNewest = refreshing.begin();
  try {
    const [devices, ready] = await Promise.all([get("/v1/devices", ofChosen()), readiness()]);
    if (!isNewest()) return;
    drawPipeline(ready);
    const silent = devices.filter(({ last_seen: seen, online }) => seen === null || online === false).length;
    const all = plural("{n} device", "{n} devices", devices.length);
    $("devices-summary").textContent = silent ? t("{devices}, {silent} offline or never heard of", { devices: all, silent }) : all;
    redraw($("device-rows"), deviceTable(devices));
    markRead($("devices"));
    readAgain();
    await readUnknown(chosen);
  } catch (error) {
    sayUnread(error);
  }
}

/** How tests of monitors stand, and when sources had no data. */
async function readHealth() {
  const isNewest = readingHealth.begin();
  try {
    const [monitors, gaps, facilities] = await Promise.all([
      get("/v1/monitors", ofChosen()), get("/v1/annotations", { ...ofChosen(), kind: "gap", from: `now-${GAP_DAYS}d`, to: "now", limit: 1000 }), get("/v1/facilities"),
    ]);
    if (!isNewest()) return;
    drawMonitors(monitors);
    drawGaps(gaps, new Map(facilities.map((facility) => [facility.id, facility])), GAP_DAYS);
    markRead($("monitors"));
    markRead($("gaps"));
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
  readQuarantine(`/v1/quarantine?${new URLSearchParams({ ...ofChosen(), limit: PAGE })}`);
}

async function readQuarantine(from) {
  const isNewest = readingQuarantine.begin();
  try {
    const read = await page(from);
    if (!isNewest()) return;
    next = read.next;
    $("older").hidden = next === null;
    if (read.rows.length) $("quarantine-rows").append(quarantineTable(read.rows, replay));
    $("quarantine-summary").textContent = $("quarantine-rows").childElementCount ? t("newest first") : t("nothing waits");
    markRead($("quarantine"));
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
