// Why something could not be had or done, in words: the API refused it, is away, or this page has a fault.

import { ApiError, AwayError } from "./api.js";
import { t } from "./words.js";

/** Whether it is neither the API nor the way to it that failed. */
export const isFault = (error) => !(error instanceof ApiError || error instanceof AwayError);

/** `away`: what to say of an API that is away. */
export function whyWords(error, away = t("The API cannot be reached; try again.")) {
  if (error instanceof ApiError) return error.message;
  if (error instanceof AwayError) return away;
  // whoever looks into it finds the place there
  console.error(error);
  return t("This page has a fault: load it again, and report it if it stays ({fault}).", { fault: error.message });
}
