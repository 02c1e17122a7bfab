// The page of paths to net zero: chooses a facility, or all, and draws a card for each path.

import { get } from "./api.js";
import { redraw } from "./dom.js";
import { addressed, listedFacilities, named, offer } from "./facility-list.js";
import { say, sayUnread } from "./notice.js";
import { pathCard } from "./path-card.js";
import { isFault } from "./why-words.js";
import { t } from "./words.js";

const $ = (id) => document.getElementById(id);
/** Paths change with every hour; so often they are read again. */
const REFRESH_MS = 5 * 60_000;

let facilities = [];
/** The facility that is shown; empty: all that have a path, added up. */
let chosen = "";
/** An organisation that the address names is shown in place of both. */
let organisation = new URLSearchParams(location.search).get("organisation");
let reading = 0;
/** No facility is called so. */
const ORGANISATION = "/";

start();
setInterval(show, REFRESH_MS);

async function start() {
  const listed = await listedFacilities();
  const select = $("facility");
  const all = [["", t("all facilities with a path")]];
  const wanted = new URLSearchParams(location.search).get("facility");
  const known = organisation ? null : await addressed(listed, wanted, listed[0] ?? null, all);
  facilities = listed;
  offer(select, [...named(facilities), ...all], "", (id) => {
    organisation = null;
    choose(id);
  });
  if (organisation) {
    select.prepend(new Option(organisation, ORGANISATION));
    select.value = ORGANISATION;
    return show();
  }
  choose(wanted === "" ? "" : known?.id ?? "");
}

function choose(facility) {
  chosen = facility;
  $("facility").value = facility;
  history.replaceState(null, "", `?${new URLSearchParams({ facility })}`);
  $("paths").replaceChildren();
  show();
}

async function show() {
  if (facilities.length === 0) return;
  const turn = ++reading;
  $("paths").setAttribute("aria-busy", "true");
  const asked = organisation ? { organisation } : chosen ? { facility: chosen } : { total: "true" };
  try {
    const [standings, years] = await Promise.all([get("/v1/pathway", asked), get("/v1/pathway/years", asked)]);
    if (turn !== reading) return;
    say(standings.length ? "" : nothing());
    const cards = standings.map((standing) =>
      pathCard(standing, years.filter((year) => isSame(year, standing)), zoneOf(standing)));
    redraw($("paths"), ...cards.map(({ element }) => element));
    for (const card of cards) drawForecast(card, turn);
  } catch (error) {
    if (turn !== reading) return;
    sayUnread(error, t("The API cannot be reached; it is asked again in five minutes."));
  } finally {
    if (turn === reading) $("paths").setAttribute("aria-busy", "false");
  }
}

const nothing = () => organisation
  ? t("The file of this organisation states no path: add `pathway` to it (see How paths are computed).")
  : chosen
  ? t("The file of this facility states no path: add `pathway` to it (see How paths are computed).")
  : t("No facility states a path: add `pathway` to a facility file (see How paths are computed).");

const isSame = (year, standing) =>
  year.scope === standing.scope && year.figure === standing.figure
  // a year may be of fewer: of those whose path has begun
  && (!chosen || year.facility === standing.facility);

const zoneOf = ({ facility }) =>
  facilities.find(({ id }) => id === facility.split(" ")[0])?.timezone ?? "UTC";

/** Forecasts come after the paths: they are of one facility or an organisation. */
async function drawForecast(card, turn) {
  let rows = [];
  try {
    const whose = organisation ? { organisation } : chosen ? { facility: chosen } : null;
    if (whose) {
      const { scope, figure } = card.standing;
      rows = await get("/v1/forecast", { ...whose, scope, figure });
    }
  } catch (error) {
    // what is known stands without it
    if (isFault(error)) sayUnread(error);
    else console.warn(error);
  }
  if (turn === reading) card.draw(rows);
}
