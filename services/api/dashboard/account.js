// Who is signed in, at the end of every page's head; nothing where nobody has to.

import { get } from "./api.js";
import { node } from "./dom.js";

if (location.pathname !== "/login") show();

async function show() {
  let me;
  try {
    me = await get("/v1/me");
  } catch {
    // the page itself says what is wrong
    return;
  }
  if (me.kind !== "person") return;
  const name = me.full_name ?? me.name;
  document.querySelector(".bar")?.append(
    node("a", { className: "account", href: "/login", title: "Account: password, sign out", textContent: name }),
  );
}
