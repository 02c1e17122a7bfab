// Devices, and what was refused, as tables.

import { node } from "./dom.js";
import { ago, spanWords } from "./format.js";
import { reasonWord } from "./pipeline-words.js";
import { plural, t } from "./words.js";
import { clockWords } from "./zones.js";
import { table } from "./tree.js";

/** Each device, those that are silent for longest first. */
export function deviceTable(devices) {
  const order = [...devices].sort((a, b) => (Date.parse(a.last_seen) || 0) - (Date.parse(b.last_seen) || 0));
  return table([t("Device"), t("Facility"), t("Last heard"), t("Newest reading"), t("Clock"), t("State")], order.map((device) => [
    node("span", {}, device.name, ...(device.name === device.device ? [] : [node("small", { className: "quiet", textContent: ` ${device.device}` })])),
    node("a", { href: `/?${new URLSearchParams({ facility: device.facility })}`, textContent: device.facility_name }),
    device.last_seen === null ? t("never") : ago(Date.parse(device.last_seen)),
    device.newest_reading === null ? "–" : clockWords(Date.parse(device.newest_reading), device.timezone),
    offsetWords(device),
    stateOf(device),
  ]));
}

/** So far off a clock may be that is set by the network, with the time that a message takes. */
const NEAR_S = 5;

/** How far the clock of a device is off; readings that were sent late look like a clock that is behind. */
function offsetWords({ clock_offset_s: seconds, newest_reading: newest }) {
  if (seconds === null) return newest === null ? "–" : t("not known");
  if (Math.abs(seconds) < NEAR_S) return t("right");
  const span = spanWords(Math.abs(seconds));
  return node("span", { className: "doubt", textContent: seconds > 0 ? t("{span} ahead", { span }) : t("{span} behind, or sent late", { span }) });
}

/** What a device last said of itself; most say nothing. */
function stateOf({ online, status_at: at, timezone }) {
  if (online === null) return t("says nothing of it");
  const time = clockWords(Date.parse(at), timezone);
  return online ? t("online since {time}", { time }) : t("offline since {time}", { time });
}

/** Entries with why they were refused, their bytes, and a button to process them again. */
export function quarantineTable(rows, replay) {
  return table([t("Arrived (UTC)"), t("Reason"), t("What to do"), t("Came from"), t("Message"), t("Again")], rows.map((row) => {
    const button = node("button", { type: "button", className: "plain", textContent: t("Replay"), onclick: () => replay(row.id) });
    button.setAttribute("aria-label", t("Replay entry {id}", { id: row.id }));
    return [
      clockWords(Date.parse(row.time), "UTC"),
      node("a", { href: `/docs/reference/quarantine-reasons.html#${row.reason}`, textContent: reasonWord(row.reason), title: row.reason }),
      row.detail, [row.topic, row.device, row.unknown_ids?.join(", "), row.channel].filter(Boolean).join(" · "), message(row), button,
    ];
  }));
}

function message({ payload, payload_base64: base64, payload_bytes: bytes, properties }) {
  const text = payload ?? base64;
  if (text === null) return "–";
  const size = plural("{n} byte", "{n} bytes", bytes);
  const summary = payload === null ? t("{size}, base64", { size }) : size;
  const beside = Object.entries(properties ?? {}).map(([name, value]) => `${name}: ${value}`).join("\n");
  return node("details", {}, node("summary", { textContent: summary }), node("pre", { tabIndex: 0, textContent: text }), ...(beside ? [
    node("p", { className: "quiet", textContent: t("Beside the payload (MQTT 5)") }), node("pre", { tabIndex: 0, textContent: beside }),
  ] : []));
}
