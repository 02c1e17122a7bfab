// Devices that are heard at the broker and that nobody registered, and the form that adopts one.

import { get, post } from "./api.js";
import { node, redraw } from "./dom.js";
import { ago } from "./format.js";
import { named, offer } from "./facility-list.js";
import { say, sayUnread, sayWhy } from "./notice.js";
import { table } from "./tree.js";
import { Turns } from "./turns.js";
import { whyWords } from "./why-words.js";
import { plural, t } from "./words.js";

const $ = (id) => document.getElementById(id);
const SHOWN = 50;
const FORBIDDEN = 403;

let facilities = [];
let preferred = "";
/** Told when a device was adopted. */
let changed = () => {};
const reading = new Turns();
/** The device whose form is open. */
let adopting = null;

export function beginUnknown(listed, whenChanged) {
  [facilities, changed] = [listed, whenChanged];
  $("adopt-preview").onclick = () => adopt(true);
  $("adopt-form").onsubmit = (event) => {
    event.preventDefault();
    adopt(false);
  };
  $("adopt-cancel").onclick = () => $("adopt-dialog").close();
}

/** Read which devices are heard; whoever may not adopt any sees nothing of it. */
export async function readUnknown(facility) {
  preferred = facility;
  const isNewest = reading.begin();
  // the button that opened the form has to be there when it closes
  const isOpen = () => $("adopt-dialog").open;
  if (isOpen()) return;
  try {
    const rows = await get("/v1/devices/candidates", { limit: SHOWN });
    if (!isNewest() || isOpen()) return;
    $("unknown").hidden = false;
    $("unknown-summary").textContent = rows.length
      ? plural("{n} device sends what no facility file names", "{n} devices send what no facility file names", rows.length)
      : t("every device that is heard is registered");
    redraw($("unknown-rows"), ...(rows.length ? [unknownTable(rows)] : []));
  } catch (error) {
    if (error.status !== FORBIDDEN) sayUnread(error);
  }
}

function unknownTable(rows) {
  return table([t("Device"), t("Last heard"), t("Messages"), t("Proposed"), t("Adopt or dismiss")], rows.map((row) => [
    node("span", {}, row.label, node("small", { className: "quiet", textContent: ` ${row.family}${row.reason === null ? "" : ` (${row.reason})`}` }),
      ...(isRegistered(row) ? [node("small", { className: "doubt", textContent: ` ${t("registered, with channels that are not")}` })] : [])),
    ago(Date.parse(row.last_seen)),
    String(row.messages),
    proposed(row),
    node("span", { className: "steps" },
      button(t("Adopt"), t("Adopt {device}", { device: row.label }), () => open(row)),
      button(t("Dismiss"), t("Dismiss {device}", { device: row.label }), () => dismiss(row))),
  ]));
}

/** Whether the facility has the device already, so that only channels are new. */
const isRegistered = ({ facility, device }) =>
  facilities.some(({ id, devices }) => id === facility && devices.some((known) => known.id === device));

function button(text, label, onclick) {
  const made = node("button", { type: "button", className: "plain", textContent: text, onclick });
  made.setAttribute("aria-label", label);
  return made;
}

/** What is proposed, and where it was heard. */
function proposed({ channels, facility }) {
  const included = channels.filter(({ included }) => included);
  const shown = included.length ? included : channels.slice(0, 3);
  const topics = [...new Set(shown.map(({ topic }) => topic))];
  const values = shown.map(({ id, unit, last }) => `${id} = ${last ?? "–"} ${unit ?? t("unit unknown")}`);
  return node("span", {},
    values.join(", ") || t("announced, no number heard yet"),
    node("small", { className: "quiet", textContent: ` ${topics.join(", ")}${facility === null ? "" : ` · ${facility}`}` }));
}

async function open(row) {
  adopting = row;
  $("adopt-title").textContent = t("Adopt {device}", { device: row.label });
  $("adopt-outcome").replaceChildren();
  const able = row.facility === null ? facilities : facilities.filter(({ id }) => id === row.facility);
  const first = able.some(({ id }) => id === preferred) ? preferred : able[0]?.id ?? "";
  offer($("adopt-facility"), named(able), first, offerFactors);
  $("adopt-device").value = row.device;
  $("adopt-device").readOnly = row.family === "native";
  $("adopt-channels").replaceChildren(channelTable(row.channels));
  $("adopt-dialog").showModal();
  await offerFactors(first);
}

function channelTable(channels) {
  return table([t("Take"), t("Number"), t("Channel"), t("Unit"), t("Kind"), t("Last value")], channels.map((channel, i) => {
    const take = node("input", { type: "checkbox", checked: channel.included, name: "take", value: String(i) });
    take.setAttribute("aria-label", t("Take {number}", { number: channel.id }));
    const kind = node("select", { name: `kind-${i}` },
      new Option(t("register"), "counter"), new Option(t("gauge"), "gauge"));
    kind.value = channel.kind;
    return [
      take,
      node("span", {}, node("code", { textContent: channel.path }), node("small", { className: "quiet", textContent: ` ${channel.topic}` })),
      textField(`id-${i}`, channel.id, t("Id of the channel {number}", { number: channel.id })),
      node("span", {},
        textField(`unit-${i}`, channel.unit ?? "", t("Unit of {number}", { number: channel.id })),
        ...(channel.unit !== null && !channel.is_sure ? [node("small", { className: "doubt", textContent: ` ${t("compare with the device")}` })] : [])),
      labelledField(kind, t("Kind of {number}", { number: channel.id })),
      channel.last === null ? "–" : String(channel.last),
    ];
  }));
}

function textField(name, value, label) {
  return labelledField(node("input", { name, value, autocomplete: "off", size: 10 }), label);
}

function labelledField(field, label) {
  field.setAttribute("aria-label", label);
  return field;
}

/** Offer what the electricity of a facility counts by, what its sources use first. */
async function offerFactors(facility) {
  const nothing = [["", t("measure only: adds nothing to any total")]];
  let factors = [];
  try {
    const rows = facility === "" ? [] : await get(`/v1/facilities/${facility}/factors`);
    const energy = rows.filter(({ unit, sources, in_file: stated }) => unit.endsWith("Wh") && (stated || sources.length));
    energy.sort((a, b) => b.sources.length - a.sources.length);
    factors = [...new Set(energy.map(({ factor }) => factor))];
  } catch (error) {
    sayUnread(error);
  }
  offer($("adopt-factor"), [...nothing, ...factors.map((factor) => [factor, t("count it by {factor}", { factor })])], "", () => {});
}

/** Try it, or do it. */
async function adopt(isTrial) {
  const { elements } = $("adopt-form");
  const chosen = adopting.channels.flatMap((channel, i) => {
    const take = [...$("adopt-channels").querySelectorAll("[name=take]")][i];
    if (!take.checked) return [];
    const unit = elements[`unit-${i}`].value.trim();
    return [{ topic: channel.topic, path: channel.path, id: elements[`id-${i}`].value.trim(), kind: elements[`kind-${i}`].value, ...(unit && { unit }) }];
  });
  const missing = chosen.find(({ unit }) => !unit);
  if (chosen.length === 0) return refuse(t("Take at least one number."));
  if (missing) return refuse(t("State the unit of {number}.", { number: missing.id }));
  const factor = $("adopt-factor").value;
  const body = {
    facility: $("adopt-facility").value,
    device: $("adopt-device").value.trim(),
    channels: chosen,
    source: factor ? { factor } : null,
    dry_run: isTrial,
  };
  try {
    const done = await post(`/v1/devices/candidates/${adopting.id}/adopt`, body);
    if (isTrial) return showTrial(done);
    $("adopt-dialog").close();
    say(plural("{device} is a device of {facility}; {n} message is replayed.", "{device} is a device of {facility}; {n} messages are replayed.", done.replayed, done));
    changed();
  } catch (error) {
    if (error.status === 401) return sayWhy(error);
    refuse(whyWords(error));
  }
}

function refuse(why) {
  $("adopt-outcome").replaceChildren(node("p", { className: "doubt", role: "alert", textContent: why }));
}

function showTrial({ text_difference: difference, warnings, replayed }) {
  $("adopt-outcome").replaceChildren(
    node("h3", { textContent: t("What becomes of the facility's file") }),
    node("pre", { className: "difference", tabIndex: 0, textContent: difference }),
    node("p", { textContent: plural("{n} stored message would be replayed.", "{n} stored messages would be replayed.", replayed) }),
    ...(warnings.length ? [node("ul", {}, ...warnings.map((warning) => node("li", { className: "doubt", textContent: warning })))] : []));
}

async function dismiss({ id, label }) {
  try {
    await post(`/v1/devices/candidates/${id}/dismiss`, {});
    say(t("{device} is dismissed.", { device: label }));
    changed();
  } catch (error) {
    sayWhy(error);
  }
}
