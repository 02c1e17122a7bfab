// One tile for each window: how much, how well and how much of the window is known.

import { NO_DATA, band, mass, massText, percent, substituted } from "./format.js";

const WINDOWS = [
  ["1h", "Last hour"], ["24h", "Last 24 hours"], ["7d", "Last 7 days"], ["30d", "Last 30 days"],
  ["today", "Today"], ["month", "This month"], ["year", "This year"], ["365d", "Last 365 days"],
];

/** `limits` by window, as `totalLimits` finds them. */
export function drawTotals(list, totals, limits) {
  if (list.children.length !== WINDOWS.length) list.replaceChildren(...WINDOWS.map(tile));
  WINDOWS.forEach(([span], index) => {
    const item = list.children[index];
    const { co2_kg: kg, co2_market_kg: market, coverage } = totals[span];
    const figure = item.querySelector(".mass");
    const { value, unit } = mass(kg);
    figure.classList.toggle("unknown", value === null);
    figure.replaceChildren(value ?? NO_DATA);
    if (value !== null) {
      const small = document.createElement("small");
      small.textContent = ` ${unit}`;
      figure.append(small);
    }
    item.querySelector(".filled").textContent = substituted(totals[span]);
    item.querySelector(".band").textContent = band(totals[span]);
    item.querySelector(".market").textContent =
      market === kg ? "" : `market ${massText(market)}`;
    drawLimit(item, kg, limits.get(span));
    item.querySelector("i").style.width = `${coverage * 100}%`;
    item.querySelector(".known").textContent = `${percent(coverage)} known`;
  });
}

function drawLimit(item, kg, limit) {
  const words = item.querySelector(".limit");
  words.textContent = !limit ? "" : kg === null
    ? `limit ${massText(limit.value)}`
    : `${percent(kg / limit.value)} of ${massText(limit.value)}`;
  words.title = limit?.id ?? "";
  words.dataset.passed = limit && kg > limit.value ? limit.severity : "";
}

function tile([span, title]) {
  const item = document.createElement("li");
  item.className = "card";
  item.dataset.window = span;
  item.innerHTML =
    '<p class="window"></p><p class="mass"></p><p class="filled"></p><p class="band"></p><p class="market"></p><p class="limit"></p><div class="meter" aria-hidden="true"><i></i></div><p class="known"></p>';
  item.querySelector(".window").textContent = title;
  return item;
}
