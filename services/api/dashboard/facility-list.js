// The facilities that somebody sees, as pages begin with them.

import { get } from "./api.js";
import { readAgain, say, sayUnread } from "./notice.js";
import { expectNothing } from "./unread.js";
import { t } from "./words.js";

const AGAIN_MS = 3_000;
/** No facility is called so. */
const UNCHOSEN = "/";

/** The facilities, once the API answers; with none of them the page says so. */
export async function listedFacilities() {
  for (;;) {
    try {
      const facilities = await get("/v1/facilities");
      readAgain();
      if (facilities.length === 0) waitForNothing();
      if (facilities.length === 0) say(t("There is no facility yet; make one on the page Configuration, or with `tonne apply FILE`."));
      return facilities;
    } catch (error) {
      sayUnread(error);
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
}

/** Where there is no facility nothing is loading. */
export function waitForNothing() {
  for (const select of document.querySelectorAll("select:disabled")) select.replaceChildren(new Option("–", ""));
  for (const part of document.querySelectorAll("main [aria-busy]")) part.ariaBusy = "false";
  expectNothing();
}

/** Offer `[value, name]` pairs in a list, and call `choose` with the value that is chosen. */
export function offer(select, options, value, choose) {
  // a list that somebody has opened stays open where it offers the same
  const isSame = select.length === options.length && options.every(([id, name], i) => select[i].value === id && select[i].text === name);
  if (!isSame) select.replaceChildren(...options.map(([id, name]) => new Option(name, id)));
  select.value = value;
  select.disabled = options.length === 0;
  select.onchange = () => choose(select.value);
}

/**
 * The facility that an address names, or `otherwise` where it names none. Of one that nobody here may see
 * the page says so and shows nothing until another one is chosen: what stood there would be taken for it.
 * `more`: pairs that the list has beside facilities.
 */
export async function addressed(facilities, wanted, otherwise, more = []) {
  if (!wanted) return otherwise;
  const found = facilities.find(({ id }) => id === wanted);
  if (found) return found;
  say(t("There is no facility {id} that you may see: choose another one.", { id: wanted }));
  const chosen = await new Promise((choose) =>
    offer(document.getElementById("facility"), [[UNCHOSEN, "–"], ...more, ...named(facilities)], UNCHOSEN, (id) => id !== UNCHOSEN && choose(id)));
  say("");
  return facilities.find(({ id }) => id === chosen) ?? null;
}

/** Facilities as such pairs. */
export const named = (facilities) => facilities.map(({ id, name }) => [id, name]);
