// What the API refused, in the reader's language; what it says of it in detail is English.

import { language, t } from "./words.js";

/** By the type of a problem. */
const TITLES = {
  "invalid-request": t("Invalid request"),
  "too-many-rows": t("Too many rows"),
  unauthenticated: t("Authentication required"),
  "session-ended": t("Session ended"),
  "wrong-password": t("Wrong name or password"),
  forbidden: t("Insufficient scope"),
  "not-found": t("Not found"),
  "facility-retired": t("Facility retired"),
  conflict: t("Conflict"),
  "changed-meanwhile": t("Changed meanwhile"),
  archived: t("Readings are archived"),
  "body-too-large": t("Request body too large"),
  "request-timeout": t("Request timed out"),
  "too-many-connections": t("Too many connections"),
  "cross-site": t("Cross-site request refused"),
  "too-many-requests": t("Rate limit exceeded"),
  "too-many-streams": t("Too many live streams"),
  busy: t("Server busy"),
  "database-away": t("Database unavailable"),
  "too-slow": t("Query timed out"),
  internal: t("Internal error"),
};

/** What a page says of a problem: its detail, in other languages after what kind of problem it is. */
export function problemWords({ type = "", detail }) {
  const title = TITLES[type.replace("urn:tonne:problem:", "")];
  return language === "en" || title === undefined ? detail : t("{title}: {detail}", { title, detail });
}
