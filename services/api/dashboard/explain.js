// The page of an hour: which one, and all that explains it.

import { get } from "./api.js";
import { explanationParts } from "./explain-parts.js";
import { addressed, listedFacilities, named, offer } from "./facility-list.js";
import { say, sayUnread } from "./notice.js";
import { t } from "./words.js";
import { instantOf, wallOf } from "./zones.js";

const $ = (id) => document.getElementById(id);
const HOUR_MS = 3_600_000;

const address = new URLSearchParams(location.search);
/** As which instant it was known; empty: now. */
let asOf = address.get("as_of") ?? "";
let hour = hourOf(Date.parse(address.get("hour") ?? "")) ?? hourOf(Date.now() - HOUR_MS);
let facility = null;
let source = null;
let reading = 0;
/** What the reader may do, by facility. */
let allowed = [];

start();

/** The begin of the hour of an instant; null: it is none. */
function hourOf(instant) {
  return Number.isNaN(instant) ? null : Math.floor(instant / HOUR_MS) * HOUR_MS;
}

async function start() {
  const facilities = await listedFacilities();
  if (facilities.length === 0) return;
  // whoever cannot be told what they may do may still look
  ({ allowed } = await get("/v1/me").catch(() => ({ allowed: [] })));
  $("before").onclick = () => look({ to: hour - HOUR_MS });
  $("after").onclick = () => look({ to: hour + HOUR_MS });
  $("at").onchange = () => $("at").value && look({ to: hourOf(instantOf($("at").value.slice(0, 16), facility.timezone)) });
  $("choice").onsubmit = (event) => event.preventDefault();
  facility = await addressed(facilities, address.get("facility"), facilities[0]);
  offer($("facility"), named(facilities), facility.id, (chosen) => {
    facility = facilities.find(({ id }) => id === chosen);
    drawSources();
    look({});
  });
  // of another facility than the address names its source is not meant
  drawSources([null, "", facility.id].includes(address.get("facility")) ? address.get("source") : null);
  show();
}

/** A source that the address names may have left the file: what it emitted is explained all the same. */
function drawSources(wanted) {
  const listed = named(facility.sources);
  if (wanted && !facility.sources.some(({ id }) => id === wanted)) listed.push([wanted, wanted]);
  source = (wanted || facility.sources[0]?.id) ?? null;
  offer($("source"), listed, source, (chosen) => {
    source = chosen;
    look({});
  });
}

const mayConfigure = (id) => allowed.some(({ rights, facilities: only }) =>
  rights.includes("configure") && (only === null || only.includes(id)));

/** Another hour, or another version of this one; what is not said stays, and is known now. */
function look({ to = hour, as_of: known = "" }) {
  hour = to;
  asOf = known;
  show();
}

async function show() {
  const turn = ++reading;
  const begins = new Date(hour).toISOString();
  const asked = { facility: facility.id, source, hour: begins, ...(asOf && { as_of: asOf }) };
  history.replaceState(null, "", `?${new URLSearchParams(asked)}`);
  const zone = facility.timezone;
  const wall = wallOf(hour, zone);
  $("at").value = wall;
  $("timezone").textContent = zone;
  const day = wall.slice(0, 10);
  $("day").href = `/history?${new URLSearchParams({ facility: facility.id, from: `${day}T00:00`, to: `${nextDay(day)}T00:00`, bars: "1h" })}`;
  $("json").href = `/v1/explain?${new URLSearchParams(asked)}`;
  document.title = `${facility.name}, ${wall.replace("T", " ")} · tonne`;
  if (source === null) return say(t("This facility has no source: nothing is computed for it."));
  $("hour").setAttribute("aria-busy", "true");
  try {
    const [explanation, restatements] = await Promise.all([
      get("/v1/explain", asked),
      get("/v1/restatements", { facility: facility.id, source, from: begins, to: new Date(hour + HOUR_MS).toISOString() }),
    ]);
    if (turn !== reading) return;
    say(explanation.reason ?? "");
    $("hour").replaceChildren(...explanationParts(explanation, {
      zone, facility, restatements, asOf, onVersion: (known) => look({ as_of: known }),
      mayCorrect: asOf === "" && mayConfigure(facility.id),
    }));
  } catch (error) {
    if (turn !== reading) return;
    $("hour").replaceChildren();
    sayUnread(error, t("The API cannot be reached; choose again to try again."));
  } finally {
    if (turn === reading) $("hour").setAttribute("aria-busy", "false");
  }
}

const nextDay = (day) => new Date(Date.parse(`${day}T00:00Z`) + 86_400_000).toISOString().slice(0, 10);
