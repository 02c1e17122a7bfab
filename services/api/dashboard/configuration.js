// The page of configuration: a facility's file as text, checked while it is written, tried and applied.

import { get, send, sendText, text } from "./api.js";
import { Completion } from "./file-completion.js";
import { Editor } from "./file-editor.js";
import { FileForm } from "./file-form.js";
import { nothingChanges, outcome, restatedWords } from "./file-outcome.js";
import { showVersions } from "./file-versions.js";
import { showFactors, showRecipients, showThresholds } from "./configured.js";
import { addressed, listedFacilities, named, offer } from "./facility-list.js";
import { beginTrial, forgetOther } from "./message-trial.js";
import { askFacility, firstText } from "./new-facility.js";
import { say, sayUnread, sayWhy } from "./notice.js";
import { Turns } from "./turns.js";
import { markRead, markUnread } from "./unread.js";
import { t } from "./words.js";

const $ = (id) => document.getElementById(id);

/** The facilities by id, and what somebody may do in them. */
let facilities = new Map();
let allowed = [];
/** The facility that is shown, and the text of it that is in force with its tag. */
let facility = null;
let inForce = { text: "", tag: "" };
/** Whether that text is of the facility that is shown: it has been read, or begun. */
let isRead = false;
/** The text that was tried last: only that may be applied without another look. */
let tried = null;
/** What replaces the text that is written. */
const replacing = new Turns();
/** Made once somebody may write. */
let completion = null;
let form = null;
/** The text that the form shows; null: it is not shown. */
let formed = null;

const editor = new Editor($("text"), $("numbers"), $("problems"), $("check-summary"), {
  check: (written) => sendText("POST", `${address()}/check`, written),
  changed: showChanged,
  marked: (errors) => formed === null || form.mark(errors),
  goElsewhere: (path) => formed !== null && path !== "" && (form.goTo(path), true),
});

$("as-text").onclick = () => act($("as-text"), async () => showText());
$("as-form").onclick = () => act($("as-form"), showForm);
$("try").onclick = () => act($("try"), tryIt);
$("apply").onclick = () => act($("apply"), apply);
$("back").onclick = () => editor.write(inForce.text);
$("download").onclick = download;
$("new").onclick = makeNew;
beginTrial(() => ({ address: address(), text: editor.text, zone: facility.timezone }));
addEventListener("beforeunload", (event) => isChanged() && event.preventDefault());
start();

async function start() {
  const listed = (await listedFacilities()).filter(({ retired_at: retired }) => retired === null);
  facilities = new Map(listed.map((one) => [one.id, one]));
  try {
    ({ allowed } = await get("/v1/me"));
  } catch (error) {
    return sayUnread(error, t("The API cannot be reached; load the page again."));
  }
  // keys and roles of some facilities make no other ones
  $("new").hidden = !mayConfigure(null);
  const asked = new URLSearchParams(location.search);
  if (listed.length > 0) await choose(await addressed(listed, asked.get("facility"), listed[0]));
  else offer($("facility"), [], "");
  if (asked.has("part") && asked.get("facility") === facility?.id && isRead) await act($("as-form"), () => goToPart(asked.get("part")));
  if (asked.has("new") && !$("new").hidden) makeNew();
}

/** Whether somebody may configure a facility; null: one that is not there yet. */
const mayConfigure = (id) => allowed.some(({ rights, facilities: only }) =>
  rights.includes("configure") && (only === null || only.includes(id)));

/** Show another facility, unless what was written of this one is not to be given up. */
function leaveFor(chosen) {
  if (isChanged() && !confirm(t("What you changed is not applied. Leave it?"))) {
    $("facility").value = facility.id;
    return;
  }
  choose(chosen);
}

async function makeNew() {
  const made = await askFacility();
  if (made === null) return;
  if (facilities.has(made.id)) return say(t("There is a facility {id} already; choose another id.", { id: made.id }));
  leaveFor(made);
}

async function choose(chosen) {
  facility = chosen;
  offer($("facility"), named([...(chosen.isNew ? [chosen] : []), ...facilities.values()]), chosen.id, (id) => leaveFor(facilities.get(id)));
  remember(formed === null ? {} : { part: "" });
  say("");
  const isOpen = mayConfigure(chosen.id);
  $("file").hidden = !isOpen;
  // a message is tried with the text above
  $("message").hidden = !isOpen || !chosen.isNew;
  isRead = chosen.isNew === true;
  markUnread(...["file", "recipients", "thresholds", "factors", "versions"].map($));
  for (const id of ["versions", "recipients"]) $(id).hidden = !isOpen || chosen.isNew === true;
  for (const id of ["thresholds", "factors"]) $(id).hidden = chosen.isNew === true;
  $("reader").hidden = isOpen;
  try {
    if (isOpen) completion ??= complete();
    if (chosen.isNew) return begin();
    await Promise.all([isOpen ? load() : null, lists(isOpen)]);
  } catch (error) {
    sayUnread(error, t("The API cannot be reached; load the page again."));
  }
}

/** Ask for what replaces the text that is written; what would be typed meanwhile would be lost. */
async function replace(ask, put) {
  const isNewest = replacing.begin();
  $("text").readOnly = true;
  try {
    const answer = await ask();
    if (isNewest()) put(answer);
  } finally {
    if (isNewest()) $("text").readOnly = false;
  }
}

/** Write what the file of a new facility begins as. */
function begin() {
  replacing.begin();
  $("text").readOnly = false;
  markRead($("file"));
  inForce = { text: "", tag: null };
  $("outcome").replaceChildren();
  editor.write(firstText(facility));
  $("text").focus();
}

/** Offer keys and values while the text is written, and a form; without them the text is written all the same. */
async function complete() {
  const schema = await get("/v1/schema/facility");
  form = new FileForm($("form"), schema, { edit, opened: (path) => formed !== null && remember({ part: path }) });
  $("as-form").disabled = false;
  return new Completion($("text"), $("offers"), $("offers-summary"), schema);
}

/** Make edits in the text and write what it is then; returns what it states. */
async function edit(edits) {
  const asked = facility;
  const { text: written, document } = await send("POST", `${address()}/edit`, { text: editor.text, edits });
  // the text of another facility may stand there by now
  if (asked !== facility) return document;
  formed = written;
  editor.write(written);
  return document;
}

/** Show the text that is written as a form; one that is no YAML has to be corrected first. */
async function showForm() {
  await replace(() => edit([]), (document) => {
    form.show(document);
    show(true);
    remember({ part: new URLSearchParams(location.search).get("part") ?? "" });
  });
}

function showText() {
  formed = null;
  show(false);
  remember();
}

/** The address names the facility and, of the form, the part that was opened last, so that it can be sent. */
function remember({ part = null } = {}) {
  if (facility.isNew) return;
  history.replaceState(null, "", `?${new URLSearchParams({ facility: facility.id, ...(part !== null && { part }) })}`);
}

/** Go to the part of the form that the address names. */
async function goToPart(part) {
  await completion;
  await showForm();
  if (part !== "") form.goTo(part);
}

function show(isForm) {
  $("form").hidden = !isForm;
  $("editor").hidden = isForm;
  $("as-form").setAttribute("aria-pressed", String(isForm));
  $("as-text").setAttribute("aria-pressed", String(!isForm));
}

function showChanged() {
  showButtons();
  forgetOther(editor.text);
  // another text was put in place of the one that the form shows
  if (formed !== null && editor.text !== formed) showForm().catch((error) => (showText(), sayWhy(error)));
}

/** Read what is in force; what was being written is given up. */
async function load() {
  await replace(() => text(address()), (read) => {
    inForce = read;
    isRead = true;
    markRead($("file"));
    $("message").hidden = false;
    editor.write(inForce.text);
    $("outcome").replaceChildren();
  });
  await versions();
}

/** What stands in the registry of the facility, whichever text it came from. */
const lists = (isOpen) => Promise.all([
  isOpen ? showRecipients(address()) : null, showThresholds(facility.id), showFactors(address()),
]);

const versions = () => showVersions(address(), facility.timezone, (written, number) => {
  editor.write(written);
  say(t("Version {number} is in the editor; try and apply it to bring it back into force.", { number }));
});

const address = () => `/v1/facilities/${encodeURIComponent(facility.id)}`;
const isChanged = () => editor.text !== inForce.text;

function showButtons() {
  if (!isRead) return;
  const isWrong = editor.mistakes > 0;
  $("try").disabled = $("apply").disabled = isWrong || !isChanged();
  $("back").disabled = !isChanged() || facility?.isNew === true;
  $("download").disabled = false;
  $("file-summary").textContent = facility?.isNew ? t("new, not applied") : isChanged() ? t("changed, not applied") : t("in force");
  if (tried !== null && editor.text !== tried.text) {
    tried = null;
    $("outcome").replaceChildren();
  }
}

/** Say what applying the text would change; nothing is changed. */
async function tryIt() {
  const written = editor.text;
  const result = await put(written, "?dry_run=true");
  tried = { text: written, result };
  $("outcome").replaceChildren(...outcome(result, facility.timezone));
}

async function apply() {
  if (tried === null) await tryIt();
  const { text: written, result } = tried;
  $("confirm-text").replaceChildren(...restatedWords(result, facility.timezone));
  if (!(await confirmed())) return;
  const applied = await put(written, "");
  inForce = { text: written, tag: `"${applied.sha256}"` };
  tried = null;
  if (facility.isNew) return location.assign(`?${new URLSearchParams({ facility: facility.id })}`);
  showButtons();
  $("outcome").replaceChildren(...outcome(applied, facility.timezone));
  say(nothingChanges(applied) ? t("Applied; only comments and layout changed.") : t("Applied."));
  await Promise.all([versions(), lists(true)]);
}

const put = (written, query) => sendText("PUT", `${address()}${query}`, written,
  facility.isNew ? { "If-None-Match": "*" } : { "If-Match": inForce.tag });

function confirmed() {
  const dialog = $("confirm");
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => {
    dialog.onclose = () => done(dialog.returnValue === "apply");
  });
}

/** Do what a button asks for, once at a time, and say why it cannot be done. */
async function act(button, work) {
  button.disabled = true;
  say("");
  try {
    await work();
  } catch (error) {
    sayWhy(error);
  } finally {
    button.disabled = false;
    showButtons();
  }
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([editor.text], { type: "application/yaml" }));
  link.download = `${facility.id}.yaml`;
  link.click();
  URL.revokeObjectURL(link.href);
}
