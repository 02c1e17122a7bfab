// The table of sources and the bar of their shares.

import { staleWords } from "./codes.js";
import { node, redraw, sized } from "./dom.js";
import { FIGURES, apart, leftOut } from "./figures.js";
import { NO_DATA, PERCENT, RATE_UNIT, ago, band, clock, mass, massText, oneDecimal, percent, rate, rateText, substituted } from "./format.js";
import { withOthers } from "./history-series.js";
import { t } from "./words.js";

const HOUR_MS = 3_600_000;
const COLOURS = 8;
/** Beyond so many colours come paler and then stronger ones, so that two dozen sources differ. */
const SHADES = [
  (base) => base,
  (base) => `color-mix(in oklab, ${base} 55%, var(--card))`,
  (base) => `color-mix(in oklab, ${base} 55%, var(--ink))`,
];

/** The colour of a source by its place in the facility file: the same on every page. */
export const colour = (index) => SHADES[Math.floor(index / COLOURS) % SHADES.length](`var(--source-${index % COLOURS})`);
/** Of all that are too small to have a colour of their own. */
export const OTHERS = "var(--quiet)";

const COLUMNS = [
  [t("Scope"), (source) => [String(source.scope)]],
  [t("Now"), (source, figure, zone) => {
    const now = rateOf(source, figure);
    const basis = basisText(source, zone);
    if (now === null) return [null, "", basis];
    const kg = Object.fromEntries(Object.entries(source.rates).map(([key, value]) => [key.slice(0, -2), value]));
    return [rate(now), RATE_UNIT, [...(figure === "co2" ? leftOut(kg, rateText) : []), ...basis]];
  }],
  ["1 h", (source, figure) => total(source, "1h", figure)],
  ["24 h", (source, figure) => total(source, "24h", figure)],
  ["±, 24 h", (source, figure) => [(figure === "co2" && band(source.totals["24h"])) || null]],
  [t("Today"), (source, figure) => total(source, "today", figure)],
  [t("This month"), (source, figure) => total(source, "month", figure)],
  [t("This year"), (source, figure) => total(source, "year", figure)],
  [t("Known, 24 h"), (source) => [percent(source.totals["24h"].coverage)]],
];

/** What a rate is, and how old what it is told from: a mean of an hour ago is no rate of now. */
function basisText({ rate_basis: basis, rate_from: from, rate_to: to, newest_reading: newest }, zone) {
  const at = (time) => clock(Date.parse(time), zone);
  if (basis === "interval") return [t("mean of {from} – {to}", { from: at(from), to: at(to) })];
  if (newest === null) return [];
  return [{ newest: Date.parse(newest), basis }];
}

/** The age of a reading in words, written again each second. */
export function drawAges(root) {
  for (const element of root.querySelectorAll("[data-newest]")) {
    const { newest, basis } = element.dataset;
    const words = { ago: ago(Number(newest)) };
    element.textContent = basis === "unknown" ? t("newest reading {ago}", words) : t("measured {ago}", words);
  }
}

/** The present rate of a source or facility, in kg of the figure per hour. */
export const rateOf = ({ rates }, figure) => rates[`${FIGURES[figure].kg}_h`];

/** Value and unit, what stands beside them, and whether a rule filled it in. */
function total(source, span, figure) {
  const of = source.totals[span];
  const kg = of[FIGURES[figure].kg];
  if (kg === null) return [null, "", apart(of)];
  const { value, unit } = mass(kg);
  return [value, unit, [...(figure === "co2" ? leftOut(of, massText) : []), ...apart(of)], substituted(of)];
}

/**
 * Draw the rows of sources; one that says what it said stays, and with it what a browser laid out. Names lead to the
 * explanation of the hour of `newest`, the newest data; null: there are none.
 */
export function drawSources(body, sources, figure, facility, newest) {
  while (body.children.length > sources.length) body.lastChild.remove();
  sources.forEach((source, index) => {
    const fresh = row(source, index, figure, facility, newest);
    drawAges(fresh);
    const drawn = body.children[index];
    if (!drawn) body.append(fresh);
    else if (!drawn.isEqualNode(fresh)) redraw(drawn, ...fresh.childNodes);
  });
}

/** The explanation of the hour in which anything was last known. */
function hourOf(facility, { id }, newest) {
  const hour = new Date(Math.floor(newest / HOUR_MS) * HOUR_MS).toISOString();
  return `/explain?${new URLSearchParams({ facility, source: id, hour })}`;
}

function row(source, index, figure, { id, timezone: zone }, newest) {
  const line = document.createElement("tr");
  const head = node("td");
  head.innerHTML = '<span class="name"><span class="swatch" aria-hidden="true"></span></span>';
  head.firstChild.firstChild.style.background = colour(index);
  head.firstChild.append(newest === null ? source.name : node("a", { href: hourOf(id, source, newest), textContent: source.name }));
  if (source.name !== source.id) head.firstChild.title = source.id;
  if (!source.counts) {
    const note = document.createElement("small");
    note.textContent = source.removal
      ? ` ${t("removal, not deducted")}`
      : source.active ? ` ${t("check, not counted")}` : ` ${t("replaced, not counted")}`;
    head.firstChild.append(note);
  }
  if (source.stale_factor) {
    const note = document.createElement("small");
    note.className = "note";
    note.textContent = staleWords(source.stale_factor);
    head.append(note);
  }
  line.append(sized(head));
  for (const [label, read] of COLUMNS) {
    const cell = document.createElement("td");
    const [value, unit, more = [], note] = read(source, figure, zone);
    cell.dataset.label = label;
    cell.append(value ?? NO_DATA);
    if (value === null) cell.className = "unknown";
    if (unit) {
      const small = document.createElement("small");
      small.textContent = ` ${unit}`;
      cell.append(small);
    }
    for (const text of more) {
      const line = document.createElement("small");
      line.className = "more";
      if (typeof text === "string") line.textContent = text;
      else Object.assign(line.dataset, text);
      cell.append(line);
    }
    if (note) {
      const filled = document.createElement("span");
      filled.className = "filled";
      filled.textContent = note;
      cell.append(filled);
    }
    line.append(cell);
  }
  return line;
}


/** How far each source is from the one that measures the same emission another way. */
export function drawChecks(list, checks, sources) {
  const names = new Map(sources.map(({ id, name }) => [id, name]));
  list.replaceChildren(...checks.map(({ source, check, totals }) => {
    const item = document.createElement("li");
    item.textContent = t("{source} against {check}, 24 h: {difference}", {
      source: names.get(source) ?? source, check: names.get(check) ?? check, difference: differenceText(totals["24h"]),
    });
    return item;
  }));
}

function differenceText({ difference_kg: kg, difference_percent: share }) {
  return kg === null || share === null ? massText(kg) : `${massText(kg)} (${oneDecimal.format(share)}${PERCENT})`;
}

/** The shares of the present rate: the largest sources by themselves, and the others as one. */
export function drawMix(element, all, figure) {
  const sources = all.filter((source) => source.counts).map((source) => ({
    name: source.name, colour: colour(all.indexOf(source)), rows: [], values: [rateOf(source, figure)],
  }));
  // the spaces between two hundred parts would be all that is seen
  const parts = withOthers(sources);
  while (element.children.length > parts.length) element.lastChild.remove();
  while (element.children.length < parts.length) element.append(document.createElement("span"));
  parts.forEach(({ name, colour: own = OTHERS, values: [now] }, index) => {
    const part = element.children[index];
    part.style.background = own;
    part.style.flexGrow = Math.max(0, now ?? 0);
    part.title = `${name}: ${rateText(now)}`;
  });
}
