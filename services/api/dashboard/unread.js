// What a page says of what it has not read: that it is not known yet, which is neither nothing nor no data.

import { t } from "./words.js";

export const UNREAD = t("not known yet");

/**
 * Say so in parts of a page, each with a summary in its head: nothing was read for them yet, or what stands there is
 * of another choice. That keeps its room, unseen, until `markRead`.
 */
export function markUnread(...parts) {
  for (const part of parts) {
    part.toggleAttribute("data-unread", true);
    part.querySelector(".head .quiet").textContent = UNREAD;
  }
}

/** Where there is nothing to read, nothing is waited for. */
export function expectNothing() {
  for (const part of document.querySelectorAll("main .figure, main dd, main .head .quiet")) {
    if (part.textContent === UNREAD) part.textContent = "–";
  }
}

/** Let elements without a summary be seen, or not while what stands there is of another choice. */
export function setSeen(elements, isSeen) {
  for (const element of elements) element.classList.toggle("unread", !isSeen);
}

/** What stands in a part of the page was read for what is chosen. */
export function markRead(part) {
  part.removeAttribute("data-unread");
}
