// The table of sources and the bar of their shares.

import { NO_DATA, band, massText, percent, rate, substituted } from "./format.js";

export const colour = (index) => `var(--source-${index % 8})`;

const COLUMNS = [
  ["Scope", (source) => [String(source.scope)]],
  ["Now", (source) => (source.rate_kg_h === null ? [null] : [rate(source.rate_kg_h), "kg/h"])],
  ["1 h", (source) => total(source, "1h")],
  ["24 h", (source) => total(source, "24h")],
  ["±, 24 h", (source) => [band(source.totals["24h"]) || null]],
  ["Today", (source) => total(source, "today")],
  ["This month", (source) => total(source, "month")],
  ["This year", (source) => total(source, "year")],
  ["Known, 24 h", (source) => [percent(source.totals["24h"].coverage)]],
];

/** A figure, its unit, and what is said beside it. */
function total(source, span) {
  const kg = source.totals[span].co2_kg;
  return kg === null ? [null] : [...massText(kg).split(" "), substituted(source.totals[span])];
}

export function drawSources(body, sources) {
  body.replaceChildren(...sources.map(row));
}

function row(source, index) {
  const line = document.createElement("tr");
  const head = document.createElement("td");
  head.innerHTML = '<span class="name"><span class="swatch" aria-hidden="true"></span></span>';
  head.firstChild.firstChild.style.background = colour(index);
  head.firstChild.append(source.name);
  if (source.name !== source.id) head.firstChild.title = source.id;
  if (!source.counts) {
    const note = document.createElement("small");
    note.textContent = " check, not counted";
    head.firstChild.append(note);
  }
  line.append(head);
  for (const [label, read] of COLUMNS) {
    const cell = document.createElement("td");
    const [value, unit, note] = read(source);
    cell.dataset.label = label;
    cell.append(value ?? NO_DATA);
    if (value === null) cell.className = "unknown";
    if (unit) {
      const small = document.createElement("small");
      small.textContent = ` ${unit}`;
      cell.append(small);
    }
    if (note) {
      const beside = document.createElement("span");
      beside.className = "filled";
      beside.textContent = note;
      cell.append(beside);
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
    const { difference_kg: kg, difference_percent: share } = totals["24h"];
    item.textContent = kg === null
      ? `${names.get(source) ?? source} against ${names.get(check) ?? check}, 24 h: ${NO_DATA}`
      : `${names.get(source) ?? source} against ${names.get(check) ?? check}, 24 h: ${massText(kg)}${share === null ? "" : ` (${share.toFixed(1)} %)`}`;
    return item;
  }));
}

export function drawMix(element, all) {
  const sources = all.filter((source) => source.counts);
  while (element.children.length > sources.length) element.lastChild.remove();
  while (element.children.length < sources.length) element.append(document.createElement("span"));
  sources.forEach((source, index) => {
    const part = element.children[index];
    part.style.background = colour(all.indexOf(source));
    part.style.flexGrow = Math.max(0, source.rate_kg_h ?? 0);
    part.title = source.rate_kg_h === null ? `${source.name}: ${NO_DATA}` : `${source.name}: ${rate(source.rate_kg_h)} kg/h`;
  });
}
