// The page of all facilities: reads them at a glance, adds up those that are shown, and lists them.

import { get } from "./api.js";
import { showMap } from "./facility-map.js";
import { drawHeads, drawRows, drawSum, inOrder } from "./facility-table.js";
import { FIGURES, chosenFigure } from "./figures.js";
import { say, sayUnread } from "./notice.js";
import { totalLimits } from "./limits.js";
import { STATES, silenceWords } from "./state-words.js";
import { t } from "./words.js";

const $ = (id) => document.getElementById(id);
/** How often figures are read. */
const GLANCE_MS = 10_000;
/** What changes by hand is read less often, and paths, which change with every hour, seldom. */
const SLOW_MS = 60_000;
const PATHS_MS = 5 * 60_000;
/** Without an answer for so long, what is shown is not of now. */
const SILENCE_MS = 40_000;

const address = new URLSearchParams(location.search);
let figure = chosenFigure(address.get("figure"));
let order = { by: address.get("by") ?? "name", down: address.get("down") === "1" };
let search = address.get("search") ?? "";
/** Null: not read yet. */
let rows = null;
/** By facility: its devices, the limit of its year, and how its path stands; null: not read yet. */
let beside = { devices: null, limits: null, paths: null };
/** What could not be read beside it. */
const unread = new Set();
let heardAt = Date.now();
let reading = 0;

$("figure").replaceChildren(...Object.entries(FIGURES).map(([name, { name: shown }]) => new Option(shown, name)));
$("figure").value = figure;
$("figure").onchange = () => {
  figure = $("figure").value;
  rows = null;
  beside = { ...beside, limits: null, paths: null };
  change();
  readAll();
};
$("search").value = search;
$("search").oninput = () => {
  search = $("search").value;
  change();
};
change();
readAll();
setInterval(readGlance, GLANCE_MS);
setInterval(readSlow, SLOW_MS);
setInterval(readPaths, PATHS_MS);
setInterval(draw, 1000);

/** The address names what is shown, so that it can be linked to. */
function change() {
  const shown = new URLSearchParams({
    ...(figure !== "co2" && { figure }),
    ...(order.by !== "name" && { by: order.by }),
    ...(order.down && { down: "1" }),
    ...(search && { search }),
  });
  history.replaceState(null, "", shown.size ? `?${shown}` : location.pathname);
  $("masses").textContent = t("Masses are {figure}.", { figure: FIGURES[figure].name });
  draw();
}

function draw() {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = rows && rows.filter(({ facility, name }) =>
    words.every((word) => `${facility} ${name}`.toLowerCase().includes(word)));
  drawHeads($("heads"), order, (by) => {
    order = { by, down: order.by === by ? !order.down : by !== "name" };
    change();
  });
  drawSum($("sum"), shown, rows?.length);
  drawRows($("rows"), inOrder(shown ?? [], order, beside), beside, figure);
  showMap($("map-card"), shown ?? []);
  drawState();
}

function drawState() {
  const isSilent = Date.now() - heardAt > SILENCE_MS;
  if (isSilent) document.body.dataset.state = "silent";
  $("state-text").textContent = isSilent ? silenceWords(heardAt) : STATES[document.body.dataset.state];
}

function readAll() {
  readGlance();
  readSlow();
  readPaths();
}

async function readGlance() {
  const turn = ++reading;
  try {
    const read = await get("/v1/overview", { figure });
    if (turn !== reading) return;
    rows = read;
    heardAt = Date.now();
    document.body.dataset.state = "live";
    say(rows.length ? "" : t("There is no facility yet; make one on the page Configuration, or with `tonne apply FILE`."));
    draw();
    // an API that is back is asked at once for what it could not say
    const again = [...unread];
    unread.clear();
    for (const read of again) read();
  } catch (error) {
    sayUnread(error);
  }
}

async function readSlow() {
  const asked = figure;
  try {
    const [facilities, thresholds] = await Promise.all([get("/v1/facilities"), get("/v1/thresholds")]);
    if (asked !== figure) return;
    const of = Map.groupBy(thresholds, ({ facility }) => facility);
    beside = {
      ...beside,
      devices: new Map(facilities.map(({ id, devices }) => [id, devices])),
      limits: new Map([...of].map(([id, all]) => [id, totalLimits(all, figure).get("year")])),
    };
    draw();
  } catch (error) {
    unread.add(readSlow);
    sayUnread(error);
  }
}

async function readPaths() {
  const asked = figure;
  try {
    const paths = (await get("/v1/pathway")).filter((path) => path.figure === asked);
    if (asked !== figure) return;
    beside = { ...beside, paths: Map.groupBy(paths, ({ facility }) => facility) };
    draw();
  } catch (error) {
    unread.add(readPaths);
    sayUnread(error);
  }
}
