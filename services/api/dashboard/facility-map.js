// Facilities on a map of land and borders: where they are, and which have an alert. What a mark says is
// what the table says.

import { redraw } from "./dom.js";
import { NO_DATA, rate, rateText } from "./format.js";
import { plural, t } from "./words.js";

const LAND = new URL("./land.svg", import.meta.url).pathname;
const SVG = "http://www.w3.org/2000/svg";
/** Degrees of latitude that are shown at least: the land is drawn at 1:110 million. */
const LEAST_HEIGHT = 5;
/** Land beside the outermost facilities, as a part of what is shown. */
const MARGIN = 0.25;
/** Width by height. */
const SHAPE = 2.4;
/** How near a name keeps others away: those are told by pointing, and by the table. */
const NAME_PX = { width: 200, height: 15 };
const MARK_PX = 6;
const TEXT_PX = 13;
const SEVERITIES = [["critical", t("critical alert")], ["warning", t("warning")], ["info", t("note")]];

/** Show those `rows` of the overview that say where they are; the card is hidden if none does. */
export function showMap(card, rows) {
  const placed = rows.filter(({ latitude }) => latitude !== null);
  const state = JSON.stringify([rows.length, placed.map((row) => [row.facility, row.name, row.latitude, row.longitude, severityOf(row), rate(row.rate_kg_h)])]);
  if (card.dataset.state === state) return;
  card.dataset.state = state;
  card.hidden = placed.length === 0;
  const root = card.querySelector(".map");
  redraw(root, ...(placed.length ? [map(placed, root.clientWidth)] : []));
  const others = rows.length - placed.length;
  card.querySelector(".rest").textContent = others ? plural("one facility does not say where it is", "{n} facilities do not say where they are", others) : "";
}

const severityOf = (row) => SEVERITIES.find(([name]) => row[`alerts_${name}`] > 0) ?? ["none", ""];

function map(rows, widthPx) {
  const { left, top, width, height, squeeze } = frame(rows);
  const root = element("svg", { viewBox: `${left} ${top} ${width} ${height}`, role: "group", "aria-label": plural("one facility on the map", "{n} facilities on the map", rows.length) });
  const ground = element("g", { transform: `scale(${squeeze / 10} 0.1)`, "aria-hidden": "true" });
  // one more to each side, for who lives about the 180th meridian
  for (const turn of [-3600, 0, 3600]) {
    ground.append(
      element("use", { href: `${LAND}#land`, class: "land", x: turn }),
      element("use", { href: `${LAND}#borders`, class: "borders", x: turn }),
    );
  }
  root.append(ground);
  const px = width / Math.max(widthPx, 300);
  const named = [];
  for (const row of rows) {
    const [severity, words] = severityOf(row);
    const [x, y] = [row.longitude * squeeze, -row.latitude];
    const said = [row.name, row.rate_kg_h === null ? NO_DATA : rateText(row.rate_kg_h), words].filter(Boolean).join(", ");
    const link = element("a", { href: `/?${new URLSearchParams({ facility: row.facility })}`, "aria-label": said, "data-severity": severity });
    const title = element("title");
    title.textContent = said;
    link.append(title, element("circle", { cx: x, cy: y, r: MARK_PX * px }));
    const onLeft = x > left + width * 0.7;
    const begins = onLeft ? x - NAME_PX.width * px : x;
    if (named.every((other) => Math.abs(other.begins - begins) > NAME_PX.width * px || Math.abs(other.y - y) > NAME_PX.height * px)) {
      named.push({ begins, y });
      const name = element("text", { x: x + (onLeft ? -1.8 : 1.8) * MARK_PX * px, y: y + 0.35 * TEXT_PX * px, "font-size": TEXT_PX * px, "text-anchor": onLeft ? "end" : "start", "aria-hidden": "true" });
      name.textContent = row.name.length > 28 ? `${row.name.slice(0, 27)}…` : row.name;
      link.append(name);
    }
    root.append(link);
  }
  return root;
}

/** What is shown, in degrees: of longitude squeezed as they are at the middle latitude. */
function frame(rows) {
  const [south, north] = ends(rows.map(({ latitude }) => latitude));
  const squeeze = Math.max(0.2, Math.cos((((south + north) / 2) * Math.PI) / 180));
  const [west, east] = ends(rows.map(({ longitude }) => longitude * squeeze));
  const height = Math.min(180, Math.max(LEAST_HEIGHT, (north - south) * (1 + 2 * MARGIN), ((east - west) * (1 + 2 * MARGIN)) / SHAPE));
  const width = height * SHAPE;
  return { squeeze, width, height, left: (west + east) / 2 - width / 2, top: -(south + north) / 2 - height / 2 };
}

const ends = (values) => [Math.min(...values), Math.max(...values)];

function element(name, attributes = {}) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
