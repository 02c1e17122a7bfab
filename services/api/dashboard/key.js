// Asks for the API's key, where it wants one.

import { rememberKey } from "./api.js";

/** Show the page's dialog, and go on when a key was given. */
export function askForKey(goOn) {
  const dialog = document.getElementById("key-dialog");
  if (dialog.open) return;
  document.getElementById("key-form").onsubmit = () => {
    rememberKey(document.getElementById("key").value.trim());
    goOn();
  };
  dialog.showModal();
}
