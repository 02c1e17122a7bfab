// A message of a device, tried with the file as it is written: what would be stored of it, and why the rest would not.

import { post } from "./api.js";
import { qualityWords } from "./codes.js";
import { node } from "./dom.js";
import { wallTime } from "./format.js";
import { sayWhy } from "./notice.js";
import { reasonWord } from "./pipeline-words.js";
import { table } from "./tree.js";
import { whyWords } from "./why-words.js";
import { locale, plural, t } from "./words.js";

const $ = (id) => document.getElementById(id);
/** What arithmetic adds behind the fifteenth digit is no part of a value. */
const figures = new Intl.NumberFormat(locale, { maximumSignificantDigits: 15, useGrouping: false });
/** By the kinds of problems that hold whatever the message is. */
const FAULTS = {
  "urn:tonne:problem:ingest-away": t("Ingest, which tries messages, does not run. Start it and try again; nothing is lost."),
  "urn:tonne:problem:not-confirmed": t("Ingest did not answer in time. Try again; nothing was stored."),
};

/** The text of the file that was asked about last; an answer to an earlier question is not shown. */
let written = null;
let asked = 0;

/** `question` returns the file as it is written, the facility's address, and its zone. */
export function beginTrial(question) {
  $("message-form").onsubmit = (event) => {
    event.preventDefault();
    tryMessage(question());
  };
  $("message-form").oninput = forget;
}

/** Take back what is shown of another text. */
export function forgetOther(text) {
  if (written !== null && written !== text) forget();
}

function forget() {
  asked += 1;
  written = null;
  show("");
}

async function tryMessage({ address, text, zone }) {
  const mine = ++asked;
  written = text;
  show(t("Trying …"));
  try {
    const rows = await post(`${address}/try`, { text, ...message($("message-form").elements) });
    if (mine === asked) show(summary(rows), ...outcome(rows, zone));
  } catch (error) {
    if (mine !== asked) return;
    show("");
    if (error.status === 401) return sayWhy(error);
    show("", node("p", { className: "doubt", role: "alert", textContent: refusalWords(error) }));
  }
}

function show(words, ...content) {
  $("message-summary").textContent = words;
  $("message-outcome").replaceChildren(...content);
}

function refusalWords(error) {
  if (error instanceof NotHexadecimal) return t("This is not hexadecimal: paste pairs of the digits 0-9 and a-f.");
  return FAULTS[error.type] ?? whyWords(error);
}

class NotHexadecimal extends Error {}

/** What was pasted, as the API takes it. */
function message({ topic, payload, encoding, beside }) {
  const stated = { properties: properties(beside.value), ...(topic.value.trim() === "" ? {} : { topic: topic.value.trim() }) };
  if (encoding.value === "text") return { ...stated, payload: payload.value };
  const packed = payload.value.replace(/\s/g, "");
  return { ...stated, encoding: "base64", payload: encoding.value === "hex" ? base64Of(packed) : packed };
}

/** What MQTT 5 has beside a payload, a line each; a name that comes again has several values. */
function properties(lines) {
  const stated = {};
  for (const line of lines.split("\n").filter((text) => text.trim() !== "")) {
    const [, name, value] = /^([^=]*)=?(.*)$/.exec(line.trim());
    stated[name] = name in stated ? [stated[name], value].flat() : value;
  }
  return stated;
}

function base64Of(hex) {
  if (!/^([0-9a-f]{2})+$/i.test(hex)) throw new NotHexadecimal();
  return btoa(hex.match(/../g).map((pair) => String.fromCharCode(parseInt(pair, 16))).join(""));
}

const byVerdict = (rows) => ({ taken: [], refused: [], absent: [], ...Object.groupBy(rows, ({ verdict }) => verdict) });

function summary(rows) {
  const { taken, refused, absent } = byVerdict(rows);
  if (rows.length === 0) return t("Nothing would be stored, and nothing refused.");
  return [
    plural("{n} value would be stored", "{n} values would be stored", taken.length),
    ...(refused.length ? [plural("{n} would be refused", "{n} would be refused", refused.length)] : []),
    ...(absent.length ? [plural("{n} is not in the message", "{n} are not in the message", absent.length)] : []),
  ].join(" · ");
}

function outcome(rows, zone) {
  const { taken, refused, absent } = byVerdict(rows);
  const isOfOne = new Set(rows.map(({ topic }) => topic)).size < 2;
  const name = (row) => node("span", {}, nameOf(row), ...(isOfOne ? [] : [small(row.topic)]));
  return [
    ...part(t("Would be stored"), taken, [t("Channel"), t("Value"), t("Unit"), t("Quality"), t("Time"), t("Time stands at"), t("Value stands at")], (row) => [
      name(row), valueCell(row), row.unit, qualityWords(row.quality), wallTime(Date.parse(row.time), zone), placeWords(row.timed_by), placeWords(row.from),
    ]),
    ...part(t("Would be refused, into quarantine"), refused, [t("Channel"), t("Reason"), t("Why")], (row) => [
      name(row), node("a", { href: `/docs/reference/quarantine-reasons.html#${row.reason}`, textContent: reasonWord(row.reason), title: row.reason }), row.detail,
    ]),
    ...part(t("Not in the message"), absent, [t("Channel"), t("Unit"), t("Nothing stands at")], (row) => [name(row), row.unit, placeWords(row.from)]),
  ];
}

const part = (title, rows, names, cells) => (rows.length ? [node("h3", { textContent: title }), table(names, rows.map(cells))] : []);

const small = (textContent) => node("small", { className: "quiet", textContent: ` ${textContent}` });

const nameOf = ({ device, channel }) => (channel === null ? device ?? t("the whole message") : `${device}.${channel}`);

/** The value in its unit; where scale or offset act, also what would be stored. */
function valueCell({ value, stored }) {
  if (value === null) return t("no value");
  return node("span", {}, figures.format(value), ...(value === stored ? [] : [small(t("stored as {value}", { value: figures.format(stored) }))]));
}

const PLACES = {
  arrival: t("arrival of the message"), "the payload": t("the payload"), "the meter's clock": t("the meter's clock"), "the poll": t("the poll"),
};

/** Where in a payload something stands: an expression of the file, perhaps with a cell and a byte. */
function placeWords(place) {
  const [, first, cell, byte] = /^(.*?)(?:, cell (\d+))?(?:, byte (\d+))?$/s.exec(place);
  return [
    PLACES[first] ?? first, ...(cell === undefined ? [] : [t("cell {cell}", { cell })]), ...(byte === undefined ? [] : [t("byte {byte}", { byte })]),
  ].join(", ");
}
