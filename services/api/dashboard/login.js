// The page where people sign in and out and change their password.

import { ApiError, forgetKey, get, rememberKey, send } from "./api.js";
import { cameFrom } from "./sign-in.js";

const $ = (id) => document.getElementById(id);
const ENDED = "Your session ended; sign in again.";

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
  location.assign("/login");
});

$("change").onsubmit = (event) => act(event, async () => {
  await send("PUT", "/v1/me/password", { old: $("old").value, new: $("new").value });
  $("change").reset();
  say("The password is changed.");
});

async function start() {
  try {
    const { required } = await get("/v1/sign-in");
    if (!required) {
      say("Nobody signs in here: TONNE_API_AUTH is off.");
      return;
    }
    const me = await get("/v1/me");
    if (me.kind === "person") return showAccount(me);
    showForms();
  } catch (error) {
    if (error.status === 401) {
      showForms();
      if (new URLSearchParams(location.search).has("ended")) say(ENDED);
    } else {
      say("The API cannot be reached; load the page again.");
    }
  }
}

function showForms() {
  $("sign-in").hidden = false;
  $("key-form").hidden = false;
  $("name").focus();
}

function showAccount({ name, full_name: fullName, allowed, local }) {
  document.title = "Account · tonne";
  $("title").textContent = fullName ?? name;
  $("allowed").textContent = allowed.length
    ? allowed.map(({ rights, facilities }) => `May ${rights.join(", ")} in ${facilities?.join(", ") ?? "all facilities"}.`).join(" ")
    : "You have no role yet; ask an administrator for one.";
  $("account").hidden = false;
  $("back").href = cameFrom();
  $("changed-name").value = name;
  $("change").hidden = !local;
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
    say(error instanceof ApiError ? error.message : "The API cannot be reached; try again.");
  } finally {
    button.disabled = false;
  }
}

function say(text) {
  $("notice").textContent = text;
  $("notice").hidden = text === "";
}
