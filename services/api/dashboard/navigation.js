// The links to other pages: which one this is, and the same facility on the next one.

const nav = document.querySelector("nav.pages");

if (nav) {
  for (const link of nav.querySelectorAll("a")) {
    if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
  }
  // pages write into the address what they show, so it is read when a link is about to be followed
  for (const event of ["pointerover", "focusin"]) nav.addEventListener(event, carryFacility);
}

function carryFacility() {
  const facility = new URLSearchParams(location.search).get("facility");
  if (!facility) return;
  for (const link of nav.querySelectorAll("a[data-of-facility]")) {
    link.search = `?${new URLSearchParams({ facility })}`;
  }
}

/** Show the links that only some may follow. */
export function showAllowed(rights) {
  for (const link of document.querySelectorAll("a[data-needs]")) link.hidden = !rights.has(link.dataset.needs);
}
