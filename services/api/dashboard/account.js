// Who is signed in, at the end of every page's head, and which pages that may see.

import { get, hasKey } from "./api.js";
import { node } from "./dom.js";
import { showAllowed } from "./navigation.js";
import { t } from "./words.js";

if (location.pathname !== "/login") show();
// whoever has a session needs it not: a link sends that
if (hasKey()) import("./downloads.js");

async function show() {
  let me;
  try {
    me = await get("/v1/me");
  } catch {
    // the page itself says what is wrong
    return;
  }
  showAllowed(new Set(me.allowed.flatMap(({ rights }) => rights)));
  if (me.kind !== "person") return;
  const name = me.full_name ?? me.name;
  document.querySelector(".bar")?.append(
    node("a", { className: "account", href: "/login", title: t("Account: password, sign out"), textContent: name }),
  );
}
