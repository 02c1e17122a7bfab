// A facility that is to be made: asked for, and the text that its file begins as.

import { node } from "./dom.js";
import { t } from "./words.js";

const $ = (id) => document.getElementById(id);

/** Ask for its name, id and time zone; null: nobody wants one. */
export function askFacility() {
  const dialog = $("new-dialog");
  const form = dialog.querySelector("form");
  form.reset();
  form.elements.timezone.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
  $("time-zones").replaceChildren(...Intl.supportedValuesOf("timeZone").map((value) => node("option", { value })));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => {
    dialog.onclose = () => done(dialog.returnValue === "write" ? asked(form.elements) : null);
  });
}

const asked = ({ name, id, timezone }) => ({ name: name.value.trim(), id: id.value, timezone: timezone.value.trim(), isNew: true });

/** The least that a file states, with a meter to begin with. */
export function firstText({ id, name, timezone }) {
  return `facility:
  id: ${id}
  name: ${JSON.stringify(name)}
  timezone: ${JSON.stringify(timezone)}
# ${t("What measures; add sources for what is emitted.")}
devices:
  - id: main-meter
    channels:
      - {id: import, quantity: energy, unit: kWh, kind: counter}
`;
}
