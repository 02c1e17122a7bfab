// How a page is connected, in words.

import { t } from "./words.js";

/** By the states of `follow` of `api.js`. */
export const STATES = {
  empty: t("there is no facility yet"),
  connecting: t("connecting"), live: t("live"), reconnecting: t("reconnecting"), offline: t("not connected"),
  silent: t("no word"),
};

/** Since when a server says nothing; `heardAt` in ms. */
export const silenceWords = (heardAt) => t("no word for {n} s", { n: Math.round((Date.now() - heardAt) / 1000) });
