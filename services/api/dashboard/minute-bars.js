// The minutes of an hour as small bars: as measured, and on top what the rule added when it closed.

import { massText, percent } from "./format.js";
import { t } from "./words.js";
import { clockWords } from "./zones.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 100;
const WIDTH = 10;

export function minuteBars(minutes, zone) {
  const highest = Math.max(...minutes.map(({ co2_kg: kg, closing_kg: closing }) => Math.max(0, kg ?? 0) + Math.max(0, closing)), 1e-9);
  const first = Date.parse(minutes[0].time);
  const svg = shape("svg", { class: "minutes", viewBox: `0 0 ${60 * WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  const unknown = minutes.filter(({ co2_kg: kg }) => kg === null).length;
  svg.setAttribute("aria-label", t("CO₂ of each minute, at most {mass}; {n} without data", { mass: massText(highest), n: unknown }));
  for (const minute of minutes) {
    const { time, co2_kg: kg, closing_kg: closing, coverage } = minute;
    const x = ((Date.parse(time) - Math.floor(first / 3_600_000) * 3_600_000) / 60_000) * WIDTH;
    const measured = (Math.max(0, kg ?? 0) / highest) * HEIGHT;
    const added = (Math.max(0, closing) / highest) * HEIGHT;
    const group = shape("g");
    const title = shape("title");
    const said = [
      massText(kg), closing ? t("{mass} added when the hour was closed", { mass: massText(closing) }) : "",
      t("{share} known", { share: percent(coverage) }),
    ];
    title.textContent = `${clockWords(Date.parse(time), zone)}: ${said.filter(Boolean).join(", ")}`;
    group.append(title);
    if (kg === null && closing === 0) group.append(shape("rect", { x, y: 0, width: WIDTH, height: HEIGHT, class: "none" }));
    group.append(
      shape("rect", { x, y: HEIGHT - measured, width: WIDTH - 1, height: measured, class: "measured" }),
      shape("rect", { x, y: HEIGHT - measured - added, width: WIDTH - 1, height: added, class: "added" }));
    svg.append(group);
  }
  return svg;
}

function shape(name, attributes = {}) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
