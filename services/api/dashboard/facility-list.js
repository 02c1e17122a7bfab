// The facilities that somebody sees, as pages begin with them.

import { get } from "./api.js";
import { readAgain, say, sayUnread } from "./notice.js";
import { t } from "./words.js";

const AGAIN_MS = 3_000;

/** The facilities, once the API answers; with none of them the page says so. */
export async function listedFacilities() {
  for (;;) {
    try {
      const facilities = await get("/v1/facilities");
      readAgain();
      if (facilities.length === 0) say(t("There is no facility yet; make one on the page Configuration, or with `tonne apply FILE`."));
      return facilities;
    } catch (error) {
      sayUnread(error);
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
}

/** Offer `[value, name]` pairs in a list, and call `choose` with the value that is chosen. */
export function offer(select, options, value, choose) {
  select.replaceChildren(...options.map(([id, name]) => new Option(name, id)));
  select.value = value;
  select.disabled = options.length === 0;
  select.onchange = () => choose(select.value);
}

/** Facilities as such pairs. */
export const named = (facilities) => facilities.map(({ id, name }) => [id, name]);
