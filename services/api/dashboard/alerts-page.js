// The page of alerts: what stands in all facilities, beside its limit, and what is over; or one alert.

import { Alerts } from "./alerts.js";
import { ApiError, get, page, post } from "./api.js";
import { alertParts } from "./alert-parts.js";
import { node } from "./dom.js";
import { pastTable } from "./alert-table.js";
import { presentWords } from "./present-value.js";
import { signIn } from "./sign-in.js";

const $ = (id) => document.getElementById(id);
const REFRESH_MS = 10_000;
const PAGE = 100;

const address = new URLSearchParams(location.search);
/** The one alert that is shown by itself; null: all. */
const one = address.get("alert");
let chosen = address.get("facility") ?? "";
let facilities = new Map();
let next = null;
const list = new Alerts($("open"), $("open-list"), $("open-summary"), acknowledge);

start();
setInterval(() => facilities.size && document.visibilityState === "visible" && refresh(), REFRESH_MS);

async function start() {
  try {
    facilities = new Map((await get("/v1/facilities")).map((facility) => [facility.id, facility]));
  } catch (error) {
    return failed(error, () => setTimeout(start, 3000));
  }
  if (facilities.size === 0) return say("There is no facility yet; add one with `tonne apply FILE`.");
  const select = $("facility");
  select.replaceChildren(new Option("all", ""), ...[...facilities.values()].map(({ id, name }) => new Option(name, id)));
  if (!facilities.has(chosen)) chosen = "";
  select.value = chosen;
  select.disabled = false;
  select.onchange = () => {
    chosen = select.value;
    if (one) location.assign(`/alerts?${new URLSearchParams(chosen ? { facility: chosen } : {})}`);
    else startPast();
    refresh();
  };
  for (const [name, value] of address) if ($("filters").elements[name]) $("filters").elements[name].value = value;
  $("filters").onsubmit = (event) => {
    event.preventDefault();
    startPast();
  };
  $("older").onclick = () => readPast(next);
  $("past").hidden = one !== null;
  $("open").hidden = one !== null;
  if (one === null) startPast();
  refresh();
}

const refresh = () => (one === null ? showOpen() : showOne());

async function showOpen() {
  try {
    const open = await get("/v1/alerts", { ...(chosen && { facility: chosen }), state: "{firing,no-data}", limit: 500 });
    const lives = new Map(await Promise.all([...new Set(open.map(({ facility }) => facility))]
      .map(async (id) => [id, await get("/v1/live", { facility: id }).catch(() => null)])));
    list.drawAll(open, (alert) => ({
      zone: facilities.get(alert.facility)?.timezone ?? "UTC",
      place: facilities.get(alert.facility)?.name ?? alert.facility,
      present: presentWords(alert, lives.get(alert.facility)),
      href: `/alerts?${new URLSearchParams({ alert: alert.id })}`,
    }));
    say("");
  } catch (error) {
    failed(error);
  }
}

async function showOne() {
  try {
    const alert = await get(`/v1/alerts/${encodeURIComponent(one)}`);
    const [live, maintenance] = await Promise.all([
      get("/v1/live", { facility: alert.facility }).catch(() => null),
      get("/v1/maintenance", { facility: alert.facility, from: "now" }),
    ]);
    const facility = facilities.get(alert.facility) ?? { id: alert.facility, name: alert.facility, timezone: "UTC" };
    document.title = `${alert.threshold}, ${facility.name} · tonne`;
    $("title").textContent = `Alert ${alert.threshold}`;
    // a comment that is being typed stays
    if ($("one").contains(document.activeElement) && document.activeElement.value) return;
    $("one").hidden = false;
    $("one").replaceChildren(...alertParts(alert, { facility, present: presentWords(alert, live), maintenance, acknowledge, changed: showOne, failed }));
    say("");
  } catch (error) {
    failed(error);
  }
}

function startPast() {
  const filters = new URLSearchParams([...new FormData($("filters"))].filter(([, value]) => value.trim()));
  if (chosen) filters.set("facility", chosen);
  history.replaceState(null, "", filters.size ? `?${filters}` : location.pathname);
  $("csv").href = `/v1/alerts.csv?${filters}`;
  filters.set("limit", PAGE);
  $("past-rows").replaceChildren();
  readPast(`/v1/alerts?${filters}`);
}

async function readPast(from) {
  try {
    const read = await page(from);
    next = read.next;
    $("older").hidden = next === null;
    if (read.rows.length) $("past-rows").append(pastTable(read.rows, facilities));
    $("empty").hidden = $("past-rows").childElementCount > 0;
    say("");
  } catch (error) {
    failed(error);
  }
}

async function acknowledge(id, comment) {
  try {
    await post(`/v1/alerts/${id}/ack`, comment ? { comment } : {});
    await refresh();
  } catch (error) {
    failed(error);
  }
}

function failed(error, again = () => {}) {
  if (error.status === 401) return signIn(error);
  say(error instanceof ApiError ? error.message : "The API cannot be reached; trying again.");
  again();
}

function say(text) {
  $("notice").textContent = text;
  $("notice").hidden = text === "";
}
