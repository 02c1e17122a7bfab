// One tile for each window: how much, how well and how much of the window is known.

import { node } from "./dom.js";
import { FIGURES, apart, beside } from "./figures.js";
import { NO_DATA, band, mass, massText, percent, substituted } from "./format.js";
import { t } from "./words.js";
import { wallAfter, wallBegin, wallOf } from "./zones.js";

const WINDOWS = [
  ["1h", t("Last 60 minutes")], ["24h", t("Last 24 hours")], ["7d", t("Last 7 days")], ["30d", t("Last 30 days")],
  ["today", t("Today")], ["month", t("This month")], ["year", t("This year")], ["365d", t("Last 365 days")],
];

/** What the history calls a window, or when it begins. */
const FROM = {
  "1h": (now) => wallAfter(now, -1, "h"), "24h": "24h", "7d": (now) => wallAfter(now, -7, "d"), "30d": (now) => wallAfter(now, -30, "d"),
  today: (now) => wallBegin(now, "d"), month: "month", year: "year", "365d": (now) => wallAfter(now, -365, "d"),
};

/** `limits` of the figure by window, as `totalLimits` finds them. */
export function drawTotals(list, totals, limits, figure, facility) {
  if (list.children.length !== WINDOWS.length) list.replaceChildren(...WINDOWS.map(tile));
  WINDOWS.forEach(([span], index) => {
    const item = list.children[index];
    item.querySelector(".window a").href = historyOf(span, facility, figure);
    const { [FIGURES[figure].kg]: kg, coverage } = totals[span];
    const shown = item.querySelector(".mass");
    const { value, unit } = mass(kg);
    shown.classList.toggle("unknown", value === null);
    shown.replaceChildren(value ?? NO_DATA);
    if (value !== null) {
      const small = document.createElement("small");
      small.textContent = ` ${unit}`;
      shown.append(small);
    }
    item.querySelector(".filled").textContent = substituted(totals[span]);
    item.querySelector(".band").textContent = figure === "co2" ? band(totals[span]) : "";
    drawBeside(item.querySelector(".beside"), [...beside(totals[span], figure), ...apart(totals[span])]);
    drawLimit(item, kg, limits.get(span));
    item.querySelector("i").style.width = `${coverage * 100}%`;
    item.querySelector(".known").textContent = t("{share} known", { share: percent(coverage) });
  });
}

/** Where the time of a window is looked at closer, bar by bar. */
function historyOf(span, { id, timezone }, figure) {
  const [now, from] = [wallOf(Date.now(), timezone), FROM[span]];
  const asked = typeof from === "string" ? { range: from } : { from: from(now), to: wallAfter(now, 1, "m") };
  return `/history?${new URLSearchParams({ facility: id, ...asked, ...(figure !== "co2" && { figure }) })}`;
}

function drawBeside(list, words) {
  list.replaceChildren(...words.map((text) => {
    const line = document.createElement("span");
    line.textContent = text;
    return line;
  }));
}

function drawLimit(item, kg, limit) {
  const words = item.querySelector(".limit");
  words.textContent = limit ? limitText(kg, limit) : "";
  words.title = limit?.id ?? "";
  words.dataset.passed = limit && kg > limit.value ? limit.severity : "";
}

/** What is used of a limit; of a budget also where it warns, which is no limit of its own. */
export function limitText(kg, { value, budget, above }) {
  if (budget === null) {
    const mass = massText(value);
    return kg === null ? t("limit {mass}", { mass }) : t("{share} of limit {mass}", { share: percent(kg / value), mass });
  }
  const mass = massText(budget);
  const used = kg === null ? t("budget {mass}", { mass }) : t("{share} of budget {mass}", { share: percent(kg / budget), mass });
  return above === 1 ? used : t("{used}, warns at {share}", { used, share: percent(above) });
}

function tile([span, title]) {
  const item = document.createElement("li");
  item.className = "card";
  item.dataset.window = span;
  item.innerHTML =
    '<p class="window"></p><p class="mass"></p><p class="filled"></p><p class="band"></p><p class="beside"></p><p class="limit"></p><div class="meter" aria-hidden="true"><i></i></div><p class="known"></p>';
  item.querySelector(".window").append(node("a", { textContent: title }));
  return item;
}
