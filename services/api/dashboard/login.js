// The page where people sign in and out and change their password.

import { forgetKey, get, rememberKey, send } from "./api.js";
import { cameFrom } from "./sign-in.js";
import { whyWords } from "./why-words.js";
import { t } from "./words.js";

const $ = (id) => document.getElementById(id);
const ENDED = t("Your session ended; sign in again.");
/** Why somebody who comes from the provider is not let in. */
const REFUSALS = {
  unreachable: t("The sign-in service of your organisation cannot be reached; try again in a minute."),
  provider: t("The sign-in service of your organisation did not say who you are; tell an administrator, the audit log says why."),
  denied: t("Your organisation did not let you in, or you cancelled."),
  expired: t("That took too long, or was begun in another tab; sign in again."),
  token: t("What the sign-in service of your organisation said of you cannot be trusted; tell an administrator, the audit log says why."),
  "no-groups": t("Your organisation does not tell tonne which groups you are in; tell an administrator, the audit log names the claim that is missing."),
  "no-role": t("None of your groups has a role in tonne; ask an administrator to put you in one that has."),
  disabled: t("Your account is disabled here; ask an administrator."),
  "too-many": t("Too many attempts to sign in; try again in a minute."),
};

/** What somebody may do. */
const RIGHTS = { read: t("read"), send: t("send readings"), operate: t("operate"), configure: t("configure"), administer: t("administer") };

let isLocal = true;

start();

$("sign-in").onsubmit = (event) => act(event, async () => {
  forgetKey();
  await send("POST", "/v1/sign-in", { name: $("name").value, password: $("password").value });
  location.assign(cameFrom());
});

$("key-form").onsubmit = (event) => act(event, async () => {
  rememberKey($("key").value.trim());
  try {
    await get("/v1/me");
  } catch (error) {
    forgetKey();
    throw error;
  }
  location.assign(cameFrom());
});

$("sign-out").onclick = (event) => act(event, async () => {
  await send("POST", "/v1/sign-out", {});
  location.assign(isLocal ? "/login" : "/login?left=1");
});

$("change").onsubmit = (event) => act(event, async () => {
  await send("PUT", "/v1/me/password", { old: $("old").value, new: $("new").value });
  $("change").reset();
  say(t("The password is changed."));
});

async function start() {
  try {
    const { required, provider } = await get("/v1/sign-in");
    if (!required) {
      say(t("Nobody signs in here: TONNE_API_AUTH is off."));
      return;
    }
    if (provider) offerProvider(provider);
    const me = await get("/v1/me");
    if (me.kind === "person") return showAccount(me);
    showForms();
  } catch (error) {
    if (error.status === 401) {
      showForms();
      say(why(new URLSearchParams(location.search)));
    } else {
      say(whyWords(error, t("The API cannot be reached; load the page again.")));
    }
  }
}

/** What led here, if it needs a word. */
function why(query) {
  const refused = query.get("refused");
  if (refused !== null) return Object.hasOwn(REFUSALS, refused) ? REFUSALS[refused] : REFUSALS.provider;
  if (query.has("left")) return t("You are signed out of tonne. At your organisation you may still be signed in.");
  return query.has("ended") ? ENDED : "";
}

function offerProvider(text) {
  $("to-provider").textContent = text;
  $("to-provider").href = `/v1/sign-in/oidc?${new URLSearchParams({ next: cameFrom() })}`;
}

function showForms() {
  $("provider").hidden = !$("to-provider").textContent;
  $("sign-in").hidden = false;
  $("key-form").hidden = false;
  $("name").focus();
}

function showAccount({ name, full_name: fullName, allowed, local }) {
  document.title = `${t("Account")} · tonne`;
  $("title").textContent = fullName ?? name;
  $("allowed").textContent = allowed.length
    ? allowed.map(allowedWords).join(" ")
    : t("You have no role yet; ask an administrator for one.");
  isLocal = local;
  $("account").hidden = false;
  $("back").href = cameFrom();
  $("changed-name").value = name;
  $("change").hidden = !local;
}

function allowedWords({ rights: all, facilities }) {
  const rights = all.map((right) => RIGHTS[right] ?? right).join(", ");
  return facilities
    ? t("May {rights} in {facilities}.", { rights, facilities: facilities.join(", ") })
    : t("May {rights} in all facilities.", { rights });
}

/** Do what a form or button asks for, once at a time, and say why it cannot be done. */
async function act(event, work) {
  event.preventDefault();
  const button = event.submitter ?? event.currentTarget;
  button.disabled = true;
  say("");
  try {
    await work();
  } catch (error) {
    say(whyWords(error));
  } finally {
    button.disabled = false;
  }
}

function say(text) {
  $("notice").textContent = text;
  $("notice").hidden = text === "";
}
