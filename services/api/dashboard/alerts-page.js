// The page of alerts: what stands in all facilities, beside its limit, and what is over; or one alert.

import { AlertCodes, KINDS } from "./alert-codes.js";
import { COURSES_MS, courseCard, readSparks, spark } from "./alert-course.js";
import { Alerts, alertAddress } from "./alerts.js";
import { get, page, post } from "./api.js";
import { redraw } from "./dom.js";
import { alertParts } from "./alert-parts.js";
import { addressed, listedFacilities, named, offer } from "./facility-list.js";
import { readAgain, sayUnread, sayWhy } from "./notice.js";
import { pastTable } from "./alert-table.js";
import { markRead, markUnread } from "./unread.js";
import { t } from "./words.js";

const $ = (id) => document.getElementById(id);
const REFRESH_MS = 10_000;
const PAGE = 100;

const address = new URLSearchParams(location.search);
/** The one alert that is shown by itself; null: all. */
const one = address.get("alert");
let chosen = address.get("facility") ?? "";
let facilities = new Map();
let codes = new AlertCodes();
let next = null;
/** How often what stands, or the one alert, and what is over have been read: an answer that comes late draws nothing. */
let [reading, readingPast] = [0, 0];
/** Small pictures by alert, of which alerts they were read, and when. */
let sparks = { pictures: new Map(), of: "", at: 0 };
const list = new Alerts($("open"), $("open-list"), $("open-summary"), (id, comment) => acknowledge(id, comment ? { comment } : {}));

start();
setInterval(() => facilities.size && document.visibilityState === "visible" && refresh(), REFRESH_MS);

async function start() {
  const listed = await listedFacilities();
  if (listed.length === 0) return;
  const all = [["", t("all")]];
  chosen = (await addressed(listed, chosen, null, all))?.id ?? "";
  facilities = new Map(listed.map((facility) => [facility.id, facility]));
  codes = await AlertCodes.read();
  offerCodes();
  offer($("facility"), [...all, ...named(listed)], chosen, (id) => {
    if (one !== null) return location.assign(`/alerts?${new URLSearchParams(id ? { facility: id } : {})}`);
    chosen = id;
    offerCodes();
    markUnread($("open"));
    startPast();
    refresh();
  });
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

/** The codes of the facilities that are shown, to filter by; one that was chosen stays if it is among them. */
function offerCodes() {
  const shown = chosen ? [chosen] : [...facilities.keys()];
  for (const kind of Object.keys(KINDS)) {
    const select = $("filters").elements[kind];
    const { value } = select;
    const offered = codes.offered(shown, kind);
    select.replaceChildren(select.options[0], ...offered.map(([code, text]) => new Option(text, code, false, code === value)));
  }
}

const refresh = () => (one === null ? showOpen() : showOne());

async function showOpen() {
  const turn = ++reading;
  try {
    const open = await get("/v1/alerts", { ...(chosen && { facility: chosen }), state: "{firing,no-data}", limit: 500 });
    if (turn !== reading) return;
    const draw = () => list.drawAll(open, (alert) => ({
      zone: facilities.get(alert.facility)?.timezone ?? "UTC",
      place: facilities.get(alert.facility)?.name ?? alert.facility,
      said: codes.texts(alert.facility, alert),
      href: alertAddress(alert.id),
      course: sparks.pictures.get(alert.id),
    }));
    draw();
    markRead($("open"));
    readAgain();
    await readCourses(open);
    if (turn === reading) draw();
  } catch (error) {
    sayUnread(error);
  }
}

/** Read the courses of what stands, if it changed or a while has passed. */
async function readCourses(alerts) {
  const of = alerts.map(({ id }) => id).join();
  if (of === sparks.of && Date.now() - sparks.at < COURSES_MS) return;
  const courses = await readSparks(alerts);
  sparks = { pictures: new Map(alerts.map((alert) => [alert.id, spark(alert, courses.get(alert.id))])), of, at: Date.now() };
}

async function showOne() {
  const turn = ++reading;
  try {
    const alert = await get(`/v1/alerts/${encodeURIComponent(one)}`);
    const maintenance = await get("/v1/maintenance", { facility: alert.facility, from: "now" });
    const facility = facilities.get(alert.facility) ?? { id: alert.facility, name: alert.facility, timezone: "UTC" };
    document.title = `${alert.threshold}, ${facility.name} · tonne`;
    $("title").textContent = t("Alert {threshold}", alert);
    if (turn !== reading || isBeingFilled()) return;
    $("one").hidden = false;
    const course = await courseCard(alert, facility);
    if (turn !== reading || isBeingFilled()) return;
    redraw($("one"), ...alertParts(alert, { facility, codes, maintenance, course, acknowledge, changed: showOne }));
    readAgain();
  } catch (error) {
    sayUnread(error);
  }
}

/** Whether somebody has begun to say something of the alert, which drawing it again would take away. */
const isBeingFilled = () => [...$("one").querySelectorAll("input, select")].some((field) =>
  field.matches("select") ? field === document.activeElement || field.selectedIndex > 0 : field.value !== "");

function startPast() {
  const filters = new URLSearchParams([...new FormData($("filters"))].filter(([, value]) => value.trim()));
  if (chosen) filters.set("facility", chosen);
  history.replaceState(null, "", filters.size ? `?${filters}` : location.pathname);
  $("csv").href = `/v1/alerts.csv?${filters}`;
  filters.set("limit", PAGE);
  $("past-rows").replaceChildren();
  $("empty").hidden = true;
  readPast(`/v1/alerts?${filters}`);
}

async function readPast(from) {
  const turn = ++readingPast;
  try {
    const read = await page(from);
    if (turn !== readingPast) return;
    next = read.next;
    $("older").hidden = next === null;
    if (read.rows.length) $("past-rows").append(pastTable(read.rows, facilities, codes));
    $("empty").hidden = $("past-rows").childElementCount > 0;
    readAgain();
  } catch (error) {
    sayUnread(error);
  }
}

/** `remark` is what is said with it: a `comment`, a `reason` and an `action`, or less. */
async function acknowledge(id, remark) {
  try {
    await post(`/v1/alerts/${id}/ack`, remark);
    await refresh();
  } catch (error) {
    sayWhy(error);
  }
}
