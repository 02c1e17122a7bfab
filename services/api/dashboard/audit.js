// The page of the audit log: newest entries first, older ones on demand.

import { page } from "./api.js";
import { ACTIONS, actionWords, whenceWords, whoWords } from "./audit-words.js";
import { labelled, node, sized } from "./dom.js";
import { readAgain, sayUnread } from "./notice.js";
import { Turns } from "./turns.js";
import { t } from "./words.js";
import { secondWords } from "./zones.js";

const $ = (id) => document.getElementById(id);
const PAGE = 100;
/** The log is of all facilities, so its times are those of the reader's own clock. */
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
let next = null;
const reading = new Turns();

$("zone").textContent = t("Times are of {zone}; what stands behind one is the instant in UTC.", { zone: ZONE });
const filters = $("filters");
$("action").append(...Object.entries(ACTIONS).map(([value, textContent]) => node("option", { value, textContent })));
for (const [name, value] of new URLSearchParams(location.search)) {
  if (filters.elements[name]) filters.elements[name].value = value;
}
filters.onsubmit = (event) => {
  event.preventDefault();
  const chosen = choice();
  history.replaceState(null, "", chosen.size ? `?${chosen}` : location.pathname);
  start();
};
$("older").onclick = () => read(next);
start();

function choice() {
  return new URLSearchParams([...new FormData(filters)].filter(([, value]) => value.trim()));
}

function start() {
  $("rows").replaceChildren();
  $("empty").hidden = true;
  const chosen = choice();
  $("csv").href = `/v1/audit.csv?${chosen}`;
  chosen.set("limit", PAGE);
  read(`/v1/audit?${chosen}`);
}

async function read(address) {
  const isNewest = reading.begin();
  try {
    const read = await page(address);
    if (!isNewest()) return;
    next = read.next;
    $("rows").append(...read.rows.map(row));
    $("older").hidden = next === null;
    const isEmpty = $("rows").childElementCount === 0;
    $("empty").hidden = !isEmpty;
    $("log").toggleAttribute("data-empty", isEmpty);
    readAgain();
  } catch (error) {
    sayUnread(error, t("The API cannot be reached; try again."));
  }
}

function row(entry) {
  const cells = [
    [t("Who"), whoWords(entry.by)], [t("From"), whenceWords(entry.address)],
    [t("Action"), node("span", { textContent: actionWords(entry.action), title: entry.action })],
    [t("Facility"), entry.facility ?? t("all")], [t("Of what"), entry.subject || "–"],
  ];
  return node("tr", {},
    sized(node("th", { scope: "row" },
      node("time", { dateTime: entry.time, title: entry.time, textContent: secondWords(Date.parse(entry.time), ZONE) }))),
    ...cells.map(([name, text]) => labelled(name, text)),
    labelled(t("Before and after"), ...states(entry)));
}

/** What was there and what is there now, on demand: a facility file is long. */
function states({ before, after, reason }) {
  const shown = [
    ...(reason ? [node("p", { textContent: reason })] : []),
    ...[[t("Before"), before], [t("After"), after]].filter(([, state]) => state !== null).map(([name, state]) =>
      node("details", {}, node("summary", { textContent: name }), node("pre", { tabIndex: 0, textContent: written(JSON.parse(state)) }))),
  ];
  return shown.length ? shown : ["–"];
}

function written({ difference, ...state }) {
  const rest = Object.keys(state).length ? JSON.stringify(state, null, 2) : "";
  return difference === undefined ? rest : `${rest}\n${difference}`;
}
