// The wall: one facility after another, big, without a hand. Its address says which, how long each, and
// which mass: `/wall?facility=linz,aschach&seconds=20&figure=co2e`.

import { headline } from "./alerts.js";
import { follow, get } from "./api.js";
import { node } from "./dom.js";
import { FIGURES, chosenFigure } from "./figures.js";
import { NO_DATA, ago, mass, percent, rate, substituted } from "./format.js";
import { totalLimits } from "./limits.js";
import { SMALL } from "./masses.js";
import { signIn } from "./sign-in.js";
import { rateOf } from "./sources.js";
import { STATES, silenceWords } from "./state-words.js";
import { limitText } from "./totals.js";
import { UNREAD } from "./unread.js";
import { whyWords } from "./why-words.js";
import { plural, t } from "./words.js";

const $ = (id) => document.getElementById(id);
const WINDOWS = { today: t("Today"), month: t("This month"), year: t("This year") };
const SEVERITIES = ["critical", "warning", "info"];
const [SHORTEST_S, USUAL_S] = [5, 20];
/** Facilities, names and limits change by hand. */
const LISTED_MS = 5 * 60_000;
/** A facility of which nothing comes for so long is passed over. */
const PATIENCE_MS = 30_000;
/** Later than this, the newest data is worth a word. */
const STALE_MS = 5 * 60_000;

const address = new URLSearchParams(location.search);
const figure = chosenFigure(address.get("figure"));
const wanted = (address.get("facility") ?? "").split(",").map((id) => id.trim()).filter(Boolean);
const seconds = Math.max(SHORTEST_S, Number(address.get("seconds")) || USUAL_S);
let facilities = [];
let listedAt = 0;
let heardAt = Date.now();

write($("rate"), UNREAD);
rotate();
setInterval(drawSilence, 1000);

async function rotate() {
  for (let turn = 0; ; turn += 1) {
    try {
      await list();
      if (facilities.length === 0) {
        await nothing();
        continue;
      }
      await show(facilities[turn % facilities.length], turn % facilities.length);
    } catch (error) {
      if (error.status === 401) return signIn(error);
      setState("offline", whyWords(error, t("the API cannot be reached")));
      await wait(SHORTEST_S);
    }
  }
}

async function list() {
  if (Date.now() - listedAt < LISTED_MS && facilities.length) return;
  const all = await get("/v1/facilities");
  facilities = wanted.length ? wanted.flatMap((id) => all.find((one) => one.id === id) ?? []) : all;
  listedAt = Date.now();
}

async function nothing() {
  setState("offline", wanted.length ? t("there is no facility {facilities}", { facilities: wanted.join(", ") }) : t("there is no facility yet"));
  await wait(SHORTEST_S);
}

const wait = (s) => new Promise((done) => setTimeout(done, s * 1000));

/** Follow one facility until it is the next one's turn; alone, until it is listed again. */
async function show(facility, place) {
  const controller = new AbortController();
  const lasts = facilities.length > 1 ? seconds * 1000 : LISTED_MS;
  // its time begins when it is seen: of an API that is slow nothing would be seen else
  let timer = setTimeout(() => controller.abort(), Math.max(lasts, PATIENCE_MS));
  let first = true;
  try {
    const thresholds = await get("/v1/thresholds", { facility: facility.id });
    const limits = totalLimits(thresholds, figure);
    await follow(facility.id, {
      signal: controller.signal,
      onState: (state) => setState(state),
      onHeard: () => { heardAt = Date.now(); },
      onLive: (live) => {
        if (controller.signal.aborted) return;
        if (first) {
          drawFrame(facility, place);
          clearTimeout(timer);
          timer = setTimeout(() => controller.abort(), lasts);
        }
        first = false;
        draw(live, limits);
      },
    });
  } finally {
    clearTimeout(timer);
  }
}

function drawFrame({ name }, place) {
  write($("name"), name);
  $("turn").textContent = facilities.length > 1 ? t("{n} of {all}", { n: place + 1, all: facilities.length }) : "";
  document.title = `${name} · tonne`;
}

function draw(live, limits) {
  const value = rate(rateOf(live, figure));
  write($("rate"), value ?? NO_DATA);
  $("rate").classList.toggle("unknown", value === null);
  $("unit").textContent = value === null ? "" : `${SMALL.unit} ${FIGURES[figure].name} / h`;
  $("known").textContent = knownWords(live);
  $("windows").replaceChildren(...Object.entries(WINDOWS).map(([span, name]) =>
    tile(name, live.totals[span], limits.get(span))));
  drawAlerts(live.alerts);
}

/** A text is as large as its room allows: a figure stands in one line however long it is, and no name is cut. */
function write(element, text) {
  element.textContent = text;
  element.style.setProperty("--letters", text.length);
  return element;
}

function knownWords({ sources, newest_minute: newest }) {
  const known = sources.filter(({ rate_kg_h: kg }) => kg !== null).length;
  const words = plural("{known} of one source known", "{known} of {n} sources known", sources.length, { known });
  const age = newest === null ? null : Date.now() - Date.parse(newest) - 60_000;
  return age !== null && age > STALE_MS ? t("{words}; newest data {ago}", { words, ago: ago(Date.parse(newest) + 60_000) }) : words;
}

function tile(name, total, limit) {
  const kg = total[FIGURES[figure].kg];
  const { value, unit } = mass(kg);
  const passed = limit && kg > limit.value ? limit.severity : "";
  const lines = [t("{share} known", { share: percent(total.coverage) }), substituted(total), limit ? limitText(kg, limit) : ""].filter(Boolean);
  const item = node("li", {},
    node("span", { className: "window", textContent: name }),
    figureOf(value, unit),
    ...lines.map((text) => node("span", { className: "line", textContent: text })));
  item.dataset.passed = passed;
  return item;
}

function figureOf(value, unit) {
  const figure = write(node("span", { className: value === null ? "mass unknown" : "mass" }), value ?? NO_DATA);
  figure.append(node("small", { textContent: ` ${unit}` }));
  return figure;
}

/** How many stand, and the worst of them in words. */
function drawAlerts(alerts) {
  const worst = SEVERITIES.map((severity) => alerts.find((alert) => alert.severity === severity)).find(Boolean);
  $("alerts").hidden = !worst;
  if (!worst) return;
  const words = t("{title}: {detail}", { title: worst.threshold, detail: headline(worst) });
  $("alerts").dataset.severity = worst.severity;
  write($("alerts"), alerts.length > 1 ? t("{alert}, and {n} more", { alert: words, n: alerts.length - 1 }) : words);
}

function setState(state, words = STATES[state]) {
  document.body.dataset.state = state;
  $("state-text").textContent = words;
}

/** Of a server that hangs nobody knows what is emitted now. */
function drawSilence() {
  if (document.body.dataset.state !== "silent") return;
  $("state-text").textContent = silenceWords(heardAt);
}
