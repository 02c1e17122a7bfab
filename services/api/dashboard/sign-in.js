// Leads to the page where people sign in, and back to where they were.

const ENDED = "urn:tonne:problem:session-ended";

/** Go and sign in, because of an answer that wants it. */
export function signIn(error) {
  const next = location.pathname + location.search;
  location.assign(`/login?${new URLSearchParams({ next, ...(error.type === ENDED && { ended: "1" }) })}`);
}

/** Where somebody was who signs in: a page of this server, whatever the address says. */
export function cameFrom() {
  const next = new URL(new URLSearchParams(location.search).get("next") ?? "/", location.origin);
  return next.origin === location.origin && next.pathname !== "/login" ? next.pathname + next.search : "/";
}
