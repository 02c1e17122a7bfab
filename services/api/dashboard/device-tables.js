// Devices, and what was refused, as tables.

import { node } from "./dom.js";
import { ago } from "./format.js";
import { clockWords } from "./zones.js";
import { table } from "./tree.js";

/** Each device, those that are silent for longest first. */
export function deviceTable(devices) {
  const order = [...devices].sort((a, b) => (Date.parse(a.last_seen) || 0) - (Date.parse(b.last_seen) || 0));
  return table(["Device", "Facility", "Last heard", "State"], order.map((device) => [
    node("span", {}, device.name, ...(device.name === device.id ? [] : [node("small", { className: "quiet", textContent: ` ${device.id}` })])),
    node("a", { href: `/?${new URLSearchParams({ facility: device.facility.id })}`, textContent: device.facility.name }),
    device.last_seen === null ? "never" : `${ago(Date.parse(device.last_seen))} (${clockWords(Date.parse(device.last_seen), device.facility.timezone)})`,
    stateOf(device),
  ]));
}

/** What a device last said of itself; most say nothing. */
function stateOf({ online, status_at: at, facility }) {
  if (online === null) return "says nothing of it";
  return `${online ? "online" : "offline"} since ${clockWords(Date.parse(at), facility.timezone)}`;
}

/** Entries with why they were refused, their bytes, and a button to process them again. */
export function quarantineTable(rows, replay) {
  return table(["Arrived (UTC)", "Reason", "What to do", "From", "Message", "Again"], rows.map((row) => {
    const button = node("button", { type: "button", className: "plain", textContent: "Replay", onclick: () => replay(row.id) });
    button.setAttribute("aria-label", `Replay entry ${row.id}`);
    return [
      clockWords(Date.parse(row.time), "UTC"),
      node("a", { href: `/docs/reference/quarantine-reasons.html#${row.reason}`, textContent: row.reason }),
      row.detail, [row.topic, row.device, row.channel].filter(Boolean).join(" · "), message(row), button,
    ];
  }));
}

function message({ payload, payload_base64: base64, payload_bytes: bytes }) {
  const text = payload ?? base64;
  if (text === null) return "–";
  const size = `${bytes} bytes${payload === null ? ", base64" : ""}`;
  return node("details", {}, node("summary", { textContent: size }), node("pre", { tabIndex: 0, textContent: text }));
}
