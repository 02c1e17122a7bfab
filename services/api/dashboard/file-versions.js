// The history of a facility's file: who applied what and when, compared, and brought back.

import { page, text } from "./api.js";
import { whoWords } from "./audit-words.js";
import { changeWords } from "./change-words.js";
import { node } from "./dom.js";
import { sayWhy } from "./notice.js";
import { table } from "./tree.js";
import { Turns } from "./turns.js";
import { markRead } from "./unread.js";
import { plural, t } from "./words.js";
import { clockWords } from "./zones.js";

const $ = (id) => document.getElementById(id);
const PAGE = 20;
const [listing, comparing] = [new Turns(), new Turns()];

/** List the versions of the file at `address`; `open` takes the text and number of one. */
export async function showVersions(address, zone, open) {
  comparing.begin();
  $("version-rows").replaceChildren();
  $("difference").replaceChildren();
  await append(`${address}/versions?limit=${PAGE}`, { address, zone, open });
}

async function append(from, shown) {
  const isNewest = listing.begin();
  const { rows, next } = await page(from);
  if (!isNewest()) return;
  markRead($("versions"));
  if (rows.length) $("version-rows").append(versionTable(rows, shown));
  const isEmpty = $("version-rows").childElementCount === 0;
  $("versions-summary").textContent = isEmpty
    ? t("None is kept: the file was applied before texts were. It is shown above as what it states, without comments.")
    : t("newest first; the highest number is in force");
  $("older").hidden = next === null;
  $("older").onclick = () => append(next, shown).catch(sayWhy);
}

function versionTable(rows, { address, zone, open }) {
  return table([t("Version"), t("Applied"), t("By"), t("Changed"), t("Look")], rows.map(({ number, applied_at: at, applied_by: by, changes }) => [
    String(number), clockWords(Date.parse(at), zone), by === null ? t("not recorded") : whoWords(by), changed(changes),
    node("span", { className: "steps" },
      button(t("Compare"), t("Compare version {number} with another one", { number }), () => compare(address, number, number - 1)),
      button(t("Open"), t("Open version {number} in the editor", { number }), async () => open((await text(`${address}/versions/${number}`)).text, number))),
  ]));
}

function button(words, label, work) {
  const made = node("button", { type: "button", className: "plain", textContent: words, onclick: () => work().catch(sayWhy) });
  made.setAttribute("aria-label", label);
  return made;
}

function changed(changes) {
  if (changes.length === 0) return t("comments and layout");
  const words = changes.map(changeWords);
  if (words.length <= 3) return words.join(", ");
  return node("details", {}, node("summary", { textContent: plural("{n} part", "{n} parts", changes.length) }), words.join(", "));
}

/** Show what a version has otherwise than another one, which can be chosen; 0 is nothing. */
async function compare(address, number, since) {
  const isNewest = comparing.begin();
  const { text: lines } = await text(`${address}/versions/${number}/difference?since=${since}`);
  if (!isNewest()) return;
  const other = node("input", { type: "number", min: 0, value: since });
  other.onchange = () => compare(address, number, Number(other.value)).catch(sayWhy);
  $("difference").replaceChildren(
    node("h3", { textContent: t("Version {number}", { number }) }),
    node("label", { className: "against" }, t("Compared with version"), other),
    lines === "" ? node("p", { textContent: t("They are the same.") }) : node("pre", { tabIndex: 0, className: "difference" }, ...lines.split("\n").map(line)));
  $("difference").scrollIntoView({ block: "nearest" });
}

const KINDS = { "+": "added", "-": "removed", "@": "quiet" };

function line(words) {
  return node("span", { className: KINDS[words[0]] ?? "", textContent: `${words}\n` });
}
