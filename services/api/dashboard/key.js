// Asks for the API's key, where it wants one.

import { rememberKey } from "./api.js";

const FORM = `
  <form method="dialog" id="key-form">
    <h2 id="key-title">API key</h2>
    <p class="quiet">This API asks for a key. It stays in this tab.</p>
    <label for="key">Key</label>
    <input id="key" type="password" autocomplete="off" required spellcheck="false">
    <button type="submit">Continue</button>
  </form>`;

/** Show the dialog, and go on when a key was given. */
export function askForKey(goOn) {
  const dialog = document.getElementById("key-dialog") ?? appended();
  if (dialog.open) return;
  document.getElementById("key-form").onsubmit = () => {
    rememberKey(document.getElementById("key").value.trim());
    goOn();
  };
  dialog.showModal();
}

function appended() {
  const dialog = document.createElement("dialog");
  dialog.id = "key-dialog";
  dialog.setAttribute("aria-labelledby", "key-title");
  dialog.innerHTML = FORM;
  document.body.append(dialog);
  return dialog;
}
