// The line at the head of a page that says what went wrong, or what was done.

import { ApiError } from "./api.js";
import { signIn } from "./sign-in.js";
import { t } from "./words.js";

const notice = document.getElementById("notice");
/** Whether the line is of a reading, which the next one that succeeds takes back. */
let isOfReading = false;

export function say(text) {
  isOfReading = false;
  notice.textContent = text;
  notice.hidden = text === "";
}

/** Say why something was not done, or lead to where one signs in. */
export function sayWhy(error, otherwise = t("The API cannot be reached; try again.")) {
  if (error.status === 401) return signIn(error);
  say(error instanceof ApiError ? error.message : otherwise);
}

/** Say why something could not be read, until it can. */
export function sayUnread(error, otherwise = t("The API cannot be reached; trying again.")) {
  sayWhy(error, otherwise);
  isOfReading = true;
}

/** Something was read: what was said of a reading that failed is over. */
export function readAgain() {
  if (isOfReading) say("");
}
