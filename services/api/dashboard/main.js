// The dashboard: chooses a facility, follows its stream, and draws what comes.

import { Alerts } from "./alerts.js";
import { follow, get, post } from "./api.js";
import { Chart } from "./chart.js";
import { drawChartTable } from "./chart-table.js";
import { drawElectricity } from "./electricity.js";
import { addressed } from "./facility-list.js";
import { joinLevels } from "./factor-levels.js";
import { waitForNothing } from "./facility-list.js";
import { FIGURES, chosenFigure } from "./figures.js";
import { NO_DATA, ago, clock, rate, rateText } from "./format.js";
import { SMALL } from "./masses.js";
import { signIn } from "./sign-in.js";
import { rateLimits, totalLimits } from "./limits.js";
import { drawAges, drawChecks, drawMix, drawSources, rateOf } from "./sources.js";
import { STATES, silenceWords } from "./state-words.js";
import { drawTotals } from "./totals.js";
import { setSeen, UNREAD } from "./unread.js";
import { isFault, whyWords } from "./why-words.js";
import { plural, t } from "./words.js";

const $ = (id) => document.getElementById(id);
const alerts = new Alerts($("alerts-card"), $("alerts"), $("alerts-summary"), acknowledge, $("alerts-more"));
const chart = new Chart($("chart"), $("legend"));
/** Later than this, the newest data is worth a word. */
const STALE_MS = 5 * 60_000;
/** What is drawn of a facility's stream. */
const STREAMED = ["mix", "alerts-card", "totals", "electricity", "sources", "checks"].map($);
/** How often limits are read: they change by hand. */
const LIMITS_MS = 60_000;

let facilities = [];
let facility = null;
let newest = null;
let following = null;
/** When the server last said anything. */
let heardAt = Date.now();
/** What stood when the last day's alerts were read. */
let standing = "";
let lately = [];
let limits = new Map();
let thresholds = [];
/** The mass that is shown, and what was drawn last, to draw it of another one. */
let figure = chosenFigure(new URLSearchParams(location.search).get("figure"));
let lastLive = null;
/** Whether the notice says that no data come. */
let saysStale = false;

chart.onDrawn = drawTable;
$("table-details").ontoggle = drawTable;
drawFigures();
start();
setInterval(drawAge, 1000);
setInterval(drawSilence, 1000);
setInterval(() => drawAges($("sources")), 1000);
setInterval(readLimits, LIMITS_MS);

async function start() {
  try {
    facilities = await get("/v1/facilities");
  } catch (error) {
    if (error.status === 401) return signIn(error);
    say(whyWords(error, t("The API cannot be reached; trying again.")));
    setTimeout(start, 3000);
    return;
  }
  if (facilities.length === 0) {
    setState("empty");
    waitForNothing();
    say(t("There is no facility yet; make one on the page Configuration, or with `tonne apply FILE`."));
    setTimeout(start, 5000);
    return;
  }
  say("");
  const chosen = await addressed(facilities, new URLSearchParams(location.search).get("facility"), facilities[0]);
  drawChooser();
  choose(chosen);
}

function drawChooser() {
  const select = $("facility");
  select.replaceChildren(...facilities.map((f) => new Option(f.name, f.id)));
  select.disabled = false;
  select.onchange = () => choose(facilities.find((f) => f.id === select.value));
}

function drawFigures() {
  const select = $("figure");
  select.replaceChildren(...Object.entries(FIGURES).map(([name, { name: shown }]) => new Option(shown, name)));
  select.value = figure;
  select.onchange = () => {
    figure = select.value;
    if (facility === null) return;
    remember();
    sortLimits();
    if (lastLive !== null) draw(lastLive);
    drawChart(() => chart.draw());
  };
}

/** The address names what is shown, so that it can be linked to. */
function remember() {
  const shown = { facility: facility.id, ...(figure !== "co2" && { figure }) };
  history.replaceState(null, "", `?${new URLSearchParams(shown)}`);
}

/** Of a facility whose stream has not come nothing is known; what stands there is of another one. */
function forget() {
  newest = null;
  lastLive = null;
  $("rate").textContent = $("newest").textContent = UNREAD;
  $("rate").classList.add("unknown");
  for (const id of ["rate-unit", "rate-beside", "rate-share"]) $(id).textContent = "";
  setSeen(STREAMED, false);
  $("table-body").replaceChildren();
  say("");
}

async function choose(chosen) {
  facility = chosen;
  forget();
  standing = "";
  lately = [];
  thresholds = [];
  sortLimits();
  $("facility").value = chosen.id;
  $("timezone").textContent = chosen.timezone;
  document.title = `${chosen.name} · tonne`;
  remember();
  following?.abort();
  following = new AbortController();
  const { signal } = following;
  setState("connecting");
  drawChart(() => chart.show(chosen));
  readLimits();
  try {
    await follow(chosen.id, {
      signal,
      onState: setState,
      onHeard: () => {
        heardAt = Date.now();
      },
      onLive: (live) => {
        if (!signal.aborted) attempt(() => draw(live));
      },
    });
  } catch (error) {
    if (error.status === 401) return signIn(error);
    setState("offline");
    say(whyWords(error));
  }
}

/** Do what the next event does again: a fault in it is told, and ends no stream. */
function attempt(work) {
  try {
    work();
  } catch (error) {
    say(whyWords(error));
  }
}

/** Go on without what could not be read; a fault of the page is told. */
function goOn(error) {
  if (isFault(error)) say(whyWords(error));
  else console.warn(error);
}

function draw(live) {
  lastLive = live;
  setSeen(STREAMED, true);
  joinLevels(live);
  const { name } = FIGURES[figure];
  const now = rateOf(live, figure);
  const value = rate(now);
  $("rate").textContent = value ?? NO_DATA;
  $("rate").classList.toggle("unknown", value === null);
  $("rate-unit").textContent = value === null ? "" : `${SMALL.unit} ${name} / h`;
  $("rate-beside").textContent = rateBeside(live);
  $("chart-unit").textContent = t("{unit} {figure} per hour, 5-minute means, stacked by source", { unit: SMALL.unit, figure: name });
  $("masses").textContent = figure === "co2"
    ? t("Masses are CO₂; what CO₂e has more stands beside.")
    : t("Masses are {figure}.", { figure: name });
  const known = live.sources.filter((source) => source.rate_kg_h !== null).length;
  const older = live.sources.filter((source) => source.rate_basis === "interval").length;
  const all = live.sources.length;
  const share = known === all
    ? plural("all of its one source known", "all {n} sources known", all)
    : plural("{known} of one source known", "{known} of {n} sources known", all, { known });
  const means = plural("one as a mean of the last interval", "{n} as means of the last interval", older);
  $("rate-share").textContent = older ? `${share}, ${means}` : share;
  newest = live.newest_minute === null ? null : Date.parse(live.newest_minute);
  drawMix($("mix"), live.sources, figure);
  drawChecks($("checks"), live.checks, live.sources);
  drawAlerts();
  drawTotals($("totals"), live.totals, limits, figure, facility);
  drawElectricity($("electricity"), live.electricity, facility.timezone);
  drawSources($("sources"), live.sources, figure, facility, newest);
  drawAge();
  drawChart(() => chart.update());
}

/** The table behind the chart, while somebody looks at it. */
function drawTable() {
  if ($("table-details").open && chart.shown !== null) drawChartTable($("table-head"), $("table-body"), chart.facility, chart.shown);
}

/** The other rates that say more than the one shown. */
function rateBeside({ rates }) {
  const others = {
    co2: figure !== "co2" && rate(rates.co2_kg_h) !== rate(rateOf({ rates }, figure)),
    co2e: figure !== "co2e" && rate(rates.co2e_kg_h) !== rate(rates.co2_kg_h),
    co2_biogenic: figure !== "co2_biogenic" && rates.co2_biogenic_kg_h > 0,
  };
  return Object.keys(others)
    .filter((other) => others[other])
    .map((other) => `${FIGURES[other].name} ${rateText(rateOf({ rates }, other))}`)
    .join(" · ");
}

function sortLimits() {
  limits = totalLimits(thresholds, figure);
  chart.limits = rateLimits(thresholds, figure);
  chart.figure = figure;
}

async function readLimits() {
  if (facility === null) return;
  const { id } = facility;
  try {
    const found = await get("/v1/thresholds", { facility: id });
    if (facility.id !== id) return;
    thresholds = found;
    sortLimits();
    if (lastLive !== null) drawTotals($("totals"), lastLive.totals, limits, figure, facility);
    drawChart(() => chart.draw());
  } catch (error) {
    // figures and alerts go on without them; the next reading tries again
    goOn(error);
  }
}

/** What stands comes with every event; what is over is read when that changes. */
async function drawAlerts() {
  const { id, timezone } = facility;
  // what stands may have changed while what is over was read: the newest counts
  const merged = () => {
    const now = lastLive.alerts;
    return [...now, ...lately.filter((old) => !now.some((alert) => alert.id === old.id))];
  };
  alerts.draw(merged().filter((alert) => alert.resolved_at || lastLive.alerts.includes(alert)), timezone);
  const state = JSON.stringify([id, lastLive.alerts.map((alert) => alert.id)]);
  if (state === standing) return;
  standing = state;
  try {
    const from = Math.round(Date.now() - 24 * 3_600_000);
    const found = await get("/v1/alerts", { facility: id, from, state: "resolved", limit: 50 });
    if (facility.id !== id || lastLive === null) return;
    lately = found;
    alerts.draw(merged(), timezone);
  } catch (error) {
    // what stands is drawn; the next change tries again
    standing = "";
    goOn(error);
  }
}

async function acknowledge(id, comment) {
  try {
    await post(`/v1/alerts/${id}/ack`, comment ? { comment } : {});
  } catch (error) {
    say(whyWords(error));
  }
}

async function drawChart(action) {
  try {
    await action();
  } catch (error) {
    // the figures go on without the chart; the next event tries it again
    goOn(error);
  }
}

function drawAge() {
  if (newest === null) {
    if (lastLive !== null) $("newest").textContent = NO_DATA;
    return;
  }
  // a minute is new until the next one could have come
  const age = Math.max(0, Date.now() - newest - 60_000);
  const time = clock(newest, facility.timezone);
  $("newest").textContent = age === 0 ? t("{time}, this minute", { time }) : `${time}, ${ago(newest + 60_000)}`;
  if (age > STALE_MS) {
    say(t("No data since {time} ({ago}).", { time, ago: ago(newest + 60_000) }));
    saysStale = true;
  } else if (saysStale) say("");
}

function setState(state) {
  if (document.body.dataset.state === state) return;
  document.body.dataset.state = state;
  $("state-text").textContent = STATES[state];
  drawSilence();
}

/** Of a server that hangs nobody knows what is emitted now, and the screen says since when. */
function drawSilence() {
  if (document.body.dataset.state !== "silent") return;
  $("state-text").textContent = silenceWords(heardAt);
}

function say(text) {
  saysStale = false;
  $("notice").textContent = text;
  $("notice").hidden = text === "";
}
