// The form by which somebody states what is right of a reading, with a reason.

import { send } from "./api.js";
import { node } from "./dom.js";
import { wallTime } from "./format.js";
import { say, sayWhy } from "./notice.js";
import { whyWords } from "./why-words.js";
import { t } from "./words.js";
import { instantOf } from "./zones.js";

const $ = (id) => document.getElementById(id);
const SECOND_MS = 1000;

/** Ask what is right of a reading, or of none, and send it. `row`: as listed; null: it is added. */
export function offerCorrection({ facility, device, channel, unit, hour, zone, row, onDone }) {
  const { elements } = $("correct-form");
  const isNew = row === null;
  $("correct-title").textContent = isNew ? t("Add a reading of {channel}", { channel: `${device}.${channel}` }) : t("Correct {channel}", { channel: `${device}.${channel}` });
  $("correct-form").reset();
  $("correct-outcome").replaceChildren();
  elements.at.value = wallTime(isNew ? Date.parse(hour) : Date.parse(row.time), zone).slice(0, 19).replace(" ", "T");
  elements.at.readOnly = !isNew;
  elements.value.value = isNew || row.value === null ? "" : String(row.value);
  $("correct-unit").textContent = unit;
  $("correct-none").hidden = isNew;
  const drawValue = () => {
    elements.value.disabled = elements.quality.disabled = elements.none.checked;
    elements.value.required = !elements.none.checked;
  };
  elements.none.onchange = drawValue;
  drawValue();
  $("correct-cancel").onclick = () => $("correct-dialog").close();
  $("correct-form").onsubmit = async (event) => {
    event.preventDefault();
    const isNone = elements.none.checked;
    const reading = {
      device,
      channel,
      time: isNew ? instantText(elements.at.value, zone) : row.time,
      value: isNone ? null : Number(elements.value.value),
      quality: isNone ? "bad" : elements.quality.value,
      ...(isNew ? {} : { was: row.value, was_quality: row.quality }),
    };
    try {
      const done = await send("PUT", "/v1/readings", { facility, reason: elements.reason.value.trim(), readings: [reading] });
      if (done.refused) return refuse(done.refusals[0].detail);
      $("correct-dialog").close();
      say(done.unchanged ? t("It is stored just so already; nothing changed.") : t("The reading is corrected; the totals that it feeds are restated in a moment."));
      onDone();
    } catch (error) {
      if (error.status === 401) return sayWhy(error);
      refuse(whyWords(error));
    }
  };
  $("correct-dialog").showModal();
}

/** The instant of a wall time with seconds, as the API reads it. */
function instantText(wall, zone) {
  const seconds = Number(wall.slice(17, 19) || 0);
  return new Date(instantOf(wall.slice(0, 16), zone) + seconds * SECOND_MS).toISOString();
}

function refuse(why) {
  $("correct-outcome").replaceChildren(node("p", { className: "doubt", role: "alert", textContent: why }));
}
