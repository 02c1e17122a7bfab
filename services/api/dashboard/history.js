// The page of history: any time of a facility, by source, scope or gas, and beside another time.

import { get } from "./api.js";
import { drawBudgets } from "./burn-down.js";
import { addressed, listedFacilities, named, offer } from "./facility-list.js";
import { FIGURES, chosenFigure } from "./figures.js";
import { NO_DATA, mass, massText } from "./format.js";
import { drawHistory, seriesColour } from "./history-chart.js";
import { readMarks } from "./history-marks.js";
import { SPLITS, TOTAL, seriesOf, wholeOf } from "./history-series.js";
import { csvAddress, drawTable } from "./history-table.js";
import { barsOf, said } from "./history-words.js";
import { node } from "./dom.js";
import { drawLegend } from "./legend.js";
import { barLimits } from "./limits.js";
import { GAP, METHODS } from "./methods.js";
import { say, sayUnread } from "./notice.js";
import { BARS, COMPARED, PRESETS, moved, resolve, scaled } from "./range.js";
import { Turns } from "./turns.js";
import { setSeen, UNREAD } from "./unread.js";
import { plural, t } from "./words.js";
import { instantOf } from "./zones.js";

const $ = (id) => document.getElementById(id);
/** What is drawn of what was chosen. */
const CHARTED = ["chart-title", "legend", "bars-chart", "table-body"].map($);
/** A range that ends now is read again so often. */
const REFRESH_MS = 60_000;

const asked = {};
let by = "";
let compare = "";
let figure = "";
let facilities = [];
let facility = null;
let range = null;
/** Those of the facility, whose limits are drawn. */
let thresholds = [];
let reading = 0;
const readingBudgets = new Turns();
/** Draws the table of what is shown; nobody sees it until it is opened. */
let drawRows = () => {};
const NONE_MARKED = { marks: [], hasMore: false };
let lastMarked = NONE_MARKED;

start();
setInterval(() => range?.preset && document.visibilityState === "visible" && show({ isAgain: true }), REFRESH_MS);

async function start() {
  facilities = await listedFacilities();
  if (facilities.length === 0) return;
  facility = await addressed(facilities, readAddress().get("facility"), facilities[0]);
  drawChoices();
  show();
  showBudgets();
  addEventListener("popstate", goBack);
}

/** What the address asks for, which may be nonsense. */
function readAddress() {
  const address = new URLSearchParams(location.search);
  for (const name of ["range", "from", "to", "bars"]) asked[name] = address.get(name) ?? "";
  by = Object.hasOwn(SPLITS, address.get("by") ?? "") ? address.get("by") : "source";
  compare = Object.hasOwn(COMPARED, address.get("compare") ?? "") ? address.get("compare") : "";
  figure = chosenFigure(address.get("figure"));
  return address;
}

/** Show what was shown before the last choice. */
function goBack() {
  const before = facility;
  facility = facilities.find(({ id }) => id === readAddress().get("facility")) ?? facility;
  drawChoices();
  show();
  if (facility !== before) showBudgets();
}

function drawChoices() {
  fill($("facility"), named(facilities), facility.id, (id) => {
    facility = facilities.find((one) => one.id === id);
    showBudgets();
  });
  fill($("figure"), Object.entries(FIGURES).map(([id, { name }]) => [id, name]), figure, (id) => { figure = id; });
  fill($("by"), Object.entries(SPLITS).map(([id, { name }]) => [id, name]), by, (id) => { by = id; });
  const times = Object.entries(COMPARED).map(([id, { name }]) => [id, name]);
  fill($("compare"), [["", t("nothing")], ...times], compare, (id) => { compare = id; });
  const presets = Object.entries(PRESETS).map(([id, { name }]) => [id, name]);
  fill($("range"), [...presets, ["", t("from … to")]], "", (id) => {
    if (id) Object.assign(asked, { range: id, from: "", to: "", bars: "" });
  });
  for (const end of ["from", "to"]) {
    $(end).onchange = () => {
      const [from, to] = [$("from").value, $("to").value];
      if (!from || !to) return;
      if (from >= to) return say(t("The range ends before it begins: choose a later end or an earlier begin."));
      look({ from, to });
    };
  }
  $("table-details").ontoggle = () => $("table-details").open && drawRows();
  $("choice").onsubmit = (event) => event.preventDefault();
  $("earlier").onclick = () => look(moved(range, -1));
  $("later").onclick = () => look(moved(range, 1));
  $("out").onclick = () => look(scaled(range, 3));
  $("bars-chart").onkeydown = ({ key }) => {
    const steps = {
      ArrowLeft: () => moved(range, -1), ArrowRight: () => moved(range, 1),
      "-": () => scaled(range, 3), "+": () => scaled(range, 1 / 3),
    };
    if (steps[key]) look(steps[key]());
  };
}

/** Offer a choice, after which the range is shown anew. */
function fill(select, options, value, choose) {
  offer(select, options, value, (id) => {
    choose(id);
    show({ isChosen: true });
  });
}

/** Show the time between two wall times, by the bars that fit it. */
function look({ from, to }) {
  Object.assign(asked, { range: "", from, to, bars: "" });
  show({ isChosen: true });
}

/** The address names what is shown, so that it can be sent to somebody; what was shown before is a step back. */
function remember(isChosen) {
  const shown = {
    facility: facility.id,
    ...(range.preset ? { range: range.preset } : { from: range.from, to: range.to }),
    ...(!range.isAutomatic && { bars: range.bars }),
    ...(by !== "source" && { by }), ...(compare && { compare }), ...(figure !== "co2" && { figure }),
  };
  const search = `?${new URLSearchParams(shown)}`;
  if (isChosen && search !== location.search) history.pushState(null, "", search);
  else history.replaceState(null, "", search);
}

const span = ({ from, to }) => ({
  from: new Date(instantOf(from, facility.timezone)).toISOString(),
  to: new Date(instantOf(to, facility.timezone)).toISOString(),
});

/** `isChosen`: the reader chose something, so that what was shown before is a step back; `isAgain`: time has passed. */
async function show({ isChosen = false, isAgain = false } = {}) {
  const turn = ++reading;
  range = resolve(asked, facility.timezone);
  remember(isChosen);
  drawRange(isAgain);
  $("whole").setAttribute("aria-busy", "true");
  const common = { facility: facility.id, interval: range.bars, ...span(range) };
  const earlier = compare ? COMPARED[compare].of(range) : null;
  try {
    const marks = markedIn(range);
    const [total, rows, compared, watched] = await Promise.all([
      get("/v1/emissions", { ...common, ...TOTAL }),
      SPLITS[by].asked ? get("/v1/emissions", { ...common, ...SPLITS[by].asked }) : null,
      earlier ? get("/v1/emissions", { ...common, ...span(earlier), ...TOTAL }) : null,
      get("/v1/thresholds", { facility: facility.id }),
    ]);
    if (turn !== reading) return;
    thresholds = watched;
    say(total.length ? "" : t("This time lies in the future: choose an earlier one."));
    const drawn = { total, rows, compared, common };
    draw({ ...drawn, marked: marks.before });
    $("whole").setAttribute("aria-busy", "false");
    const marked = await marks.now;
    if (turn === reading) draw({ ...drawn, marked });
  } catch (error) {
    if (turn !== reading) return;
    // what was read of the same choice stands
    if (!isAgain) forget();
    sayUnread(error, t("The API cannot be reached; choose again to try again."));
  } finally {
    if (turn === reading) $("whole").setAttribute("aria-busy", "false");
  }
}

/** Of what was chosen nothing could be read, and what stands there is of another choice. */
function forget() {
  $("whole-title").textContent = `${facility.name}, ${said.range(range)}`;
  $("mass").textContent = UNREAD;
  $("mass").classList.add("unknown");
  $("unit").textContent = "";
  $("said").replaceChildren();
  $("marks-card").hidden = true;
  setSeen(CHARTED, false);
}

/** The marks of a range: `now` as a promise, which takes longer than its bars, and those `before` of the same range. */
function markedIn({ preset, from }) {
  const key = [facility.id, preset, from].join(" ");
  const before = lastMarked.key === key ? lastMarked : NONE_MARKED;
  const now = readMarks(facility, span(range)).then((marked) => {
    lastMarked = { ...marked, key };
    return marked;
  });
  // it is awaited after the bars, and an error of theirs comes first
  now.catch(() => {});
  return { before, now };
}

function drawRange(isAgain) {
  $("range").value = range.preset ?? "";
  // somebody may be writing another time
  for (const end of ["from", "to"]) if (!isAgain || document.activeElement !== $(end)) $(end).value = range[end];
  const names = range.possible.map((bars) => [bars, BARS[bars].name]);
  fill($("bars"), names, range.bars, (bars) => { asked.bars = bars; });
  $("timezone").textContent = facility.timezone;
  $("masses").textContent = t("Masses are {figure}.", { figure: FIGURES[figure].name });
  document.title = `${t("History")} · ${facility.name} · tonne`;
}

function draw({ total, rows, compared, marked, common }) {
  const bars = barsOf(total, range, facility.timezone);
  const series = seriesOf(by, rows, total, figure, facility.sources.map(({ id }) => id));
  const whole = wholeOf(total, figure, bars.map(({ end }) => Math.min(end, Date.now())));
  const { value, unit } = mass(whole.kg);
  setSeen(CHARTED, true);
  $("whole-title").textContent = `${facility.name}, ${said.range(range)}`;
  $("mass").textContent = value ?? NO_DATA;
  $("mass").classList.toggle("unknown", value === null);
  $("unit").textContent = value === null ? "" : `${unit} ${FIGURES[figure].name}`;
  const beside = compared && said.comparison({
    total, compared, bars, figure, name: `${COMPARED[compare].name} (${said.range(COMPARED[compare].of(range))})`,
  });
  const words = [...said.methods(whole), ...(beside ? [beside] : [])];
  $("said").replaceChildren(...words.map((text) => node("li", { textContent: text })));
  const title = BARS[range.bars].title(by === "gas" ? t("Gases beside each other") : FIGURES[figure].name);
  $("chart-title").textContent = title;
  drawLegends(series, compared && COMPARED[compare].name, total);
  drawMarks(marked);
  drawRows = () => drawTable($("table-head"), $("table-body"), { series, total, bars, figure, facility, step: range.bars, by });
  if ($("table-details").open) drawRows();
  $("csv").href = csvAddress(common, SPLITS[by].asked ?? TOTAL);
  $("bars-chart").setAttribute("aria-label", plural("{title}: {mass} in {n} bar", "{title}: {mass} in {n} bars", bars.length, {
    title, mass: massText(whole.kg),
  }));
  const stack = by === "gas" ? series.flatMap(({ values }) => values) : bars.map((_, i) => series.reduce((sum, { values }) => sum + (values[i] ?? 0), 0));
  const earlier = compared && {
    name: COMPARED[compare].name, values: compared.map((row) => (row.share_missing >= 1 ? null : row[FIGURES[figure].kg])),
    labels: barsOf(compared, { ...range, ...COMPARED[compare].of(range) }, facility.timezone).map(({ label }) => label),
  };
  drawHistory($("bars-chart"), {
    series, total, bars, compared: earlier, isStacked: by !== "gas",
    highest: Math.max(0, ...stack, ...(earlier?.values ?? [])), marks: placed(marked.marks, bars),
    limits: by === "gas" ? [] : barLimits(thresholds, figure, range.bars),
  }, { onZoom: (from, to) => look({ from: bars[from].from, to: bars[to].to }), onBar: (i, key) => open(bars[i], key) });
}

/** Marks stand where their time begins, or at the first bar. */
function placed(marks, bars) {
  return marks.flatMap((mark) => {
    const i = bars.findIndex(({ begin, end }) => mark.from < end && mark.to >= begin);
    if (i < 0) return [];
    const { begin, end } = bars[i];
    return [{ ...mark, place: i - 0.5 + Math.max(0, Math.min(1, (mark.from - begin) / (end - begin))) }];
  });
}

/** A bar of hours or less is explained; a longer one is looked at closer. */
function open(bar, key) {
  if (BARS[range.bars].minutes > 60) return look({ from: bar.from, to: bar.to });
  if (by !== "source" || key === null || key === "others") return;
  const hour = new Date(Math.floor(bar.begin / 3_600_000) * 3_600_000).toISOString();
  location.assign(`/explain?${new URLSearchParams({ facility: facility.id, source: key, hour })}`);
}

function drawLegends(series, comparedName, total) {
  const has = (key, least = 0) => total.some((row) => row[key] > least);
  drawLegend($("legend"), [
    ...series.map((one, i) => ({ name: one.name, colour: seriesColour(one, i) })),
    ...METHODS.filter(({ share }) => has(share)).map(({ mark, word }) => ({ mark, name: word })),
    ...(has("share_missing", GAP) ? [{ mark: "gap", name: t("without data") }] : []),
    ...(comparedName ? [{ mark: "dotted", name: comparedName }] : []),
  ]);
}

/** The budgets that run now, whatever time is shown above. */
async function showBudgets() {
  const isNewest = readingBudgets.begin();
  try {
    $("budgets-card").hidden = false;
    const count = await drawBudgets($("budgets"), facility, isNewest);
    if (isNewest()) $("budgets-card").hidden = count === 0;
  } catch (error) {
    if (!isNewest()) return;
    $("budgets-card").hidden = true;
    sayUnread(error);
  }
}

function drawMarks({ marks, hasMore }) {
  $("marks-card").hidden = marks.length === 0;
  const more = hasMore ? [{ when: "", words: t("More happened than is listed: choose a shorter time.") }] : [];
  $("marks").replaceChildren(...[...marks, ...more].map(({ when, words }) =>
    node("li", {}, node("span", { className: "quiet when", textContent: when }), node("span", { textContent: words }))));
}
