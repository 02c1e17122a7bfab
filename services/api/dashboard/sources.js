// The table of sources and the bar of their shares.

import { NO_DATA, massText, percent, rate } from "./format.js";

export const colour = (index) => `var(--source-${index % 8})`;

const COLUMNS = [
  ["Scope", (source) => [String(source.scope)]],
  ["Now", (source) => (source.rate_kg_h === null ? [null] : [rate(source.rate_kg_h), "kg/h"])],
  ["1 h", (source) => total(source, "1h")],
  ["24 h", (source) => total(source, "24h")],
  ["Today", (source) => total(source, "today")],
  ["This month", (source) => total(source, "month")],
  ["This year", (source) => total(source, "year")],
  ["Known, 24 h", (source) => [percent(source.totals["24h"].coverage)]],
];

function total(source, span) {
  const kg = source.totals[span].co2_kg;
  return kg === null ? [null] : massText(kg).split(" ");
}

export function drawSources(body, sources) {
  body.replaceChildren(...sources.map(row));
}

function row(source, index) {
  const line = document.createElement("tr");
  const head = document.createElement("td");
  head.innerHTML = '<span class="name"><span class="swatch" aria-hidden="true"></span></span>';
  head.firstChild.firstChild.style.background = colour(index);
  head.firstChild.append(source.id);
  line.append(head);
  for (const [label, read] of COLUMNS) {
    const cell = document.createElement("td");
    const [value, unit] = read(source);
    cell.dataset.label = label;
    cell.append(value ?? NO_DATA);
    if (value === null) cell.className = "unknown";
    if (unit) {
      const small = document.createElement("small");
      small.textContent = ` ${unit}`;
      cell.append(small);
    }
    line.append(cell);
  }
  return line;
}

export function drawMix(element, sources) {
  while (element.children.length > sources.length) element.lastChild.remove();
  while (element.children.length < sources.length) element.append(document.createElement("span"));
  sources.forEach((source, index) => {
    const part = element.children[index];
    part.style.background = colour(index);
    part.style.flexGrow = Math.max(0, source.rate_kg_h ?? 0);
    part.title = source.rate_kg_h === null ? `${source.id}: ${NO_DATA}` : `${source.id}: ${rate(source.rate_kg_h)} kg/h`;
  });
}
