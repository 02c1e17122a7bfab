// The line at the head of a page that says what went wrong, or what was done.

import { node } from "./dom.js";
import { signIn } from "./sign-in.js";
import { whyWords } from "./why-words.js";
import { t } from "./words.js";

const notice = document.getElementById("notice");
/** Whether the line is of a reading, which the next one that succeeds takes back. */
let isOfReading = false;
/** What the page lacks, which the line says as long as nothing else is said. */
let lack = "";

export function say(text) {
  isOfReading = false;
  // what stands between backticks is to be typed as it is
  notice.replaceChildren(...(text || lack).split("`").map((part, i) => (i % 2 ? node("code", { textContent: part }) : part)));
  notice.hidden = notice.textContent === "";
}

/** Say why something was not done, or lead to where one signs in. */
export function sayWhy(error, away = undefined) {
  if (error.status === 401) return signIn(error);
  say(whyWords(error, away));
}

/** Say why something could not be read, until it can. */
export function sayUnread(error, away = t("The API cannot be reached; trying again.")) {
  sayWhy(error, away);
  isOfReading = true;
}

/** Something was read: what was said of a reading that failed is over. */
export function readAgain() {
  if (isOfReading) say("");
}

// a page that stopped halfway shows less than there is, and says so
if (notice !== null) {
  addEventListener("missing", ({ detail: facilities }) => {
    lack = facilities && t("Missing, because their database does not answer: {facilities}", { facilities });
    say("");
  });
  addEventListener("error", ({ error }) => error && sayWhy(error));
  addEventListener("unhandledrejection", ({ reason }) => reason instanceof Error && sayWhy(reason));
}
