// The page of imports: a file of history is chosen, sent, checked and taken.

import { ApiError, get, post, send } from "./api.js";
import { whoWords } from "./audit-words.js";
import { node, redraw } from "./dom.js";
import { listedFacilities, named, offer } from "./facility-list.js";
import { forgetFile, sendFile, uploadOf } from "./file-sending.js";
import { wallTime } from "./format.js";
import { reportWords, showReport, total } from "./import-report.js";
import { say, sayUnread, sayWhy } from "./notice.js";
import { beginning, draftOf } from "./table-draft.js";
import { table } from "./tree.js";
import { markRead, markUnread } from "./unread.js";
import { isFault, whyWords } from "./why-words.js";
import { locale, t } from "./words.js";

const $ = (id) => document.getElementById(id);
const LOOK_MS = 1000;
const number = new Intl.NumberFormat(locale);

let facilities = new Map();
let allowed = [];
let facility = null;
/** The file that is chosen here, and the one at the API that is shown; null: none. */
let chosen = null;
let shown = null;
/** The files of the facility that the API has. */
let listed = [];
/** What was checked last of `shown`: only that may be taken. */
let checked = null;
/** Ends what is under way when something else is looked at. */
let busy = new AbortController();

$("chosen").onchange = () => choose($("chosen").files[0] ?? null);
$("table-file").onchange = openTable;
$("draft").onclick = () => writeTable(draftOf(chosen.begins, $("holds").value));
$("import-form").onsubmit = (event) => (event.preventDefault(), act(check));
$("import-form").oninput = forgetCheck;
$("take").onclick = () => act(take);
$("remove").onclick = () => act(() => remove(shown));
for (const event of ["dragover", "drop"]) addEventListener(event, dropped);
addEventListener("beforeunload", (event) => isSending && event.preventDefault());
let isSending = false;
start();

async function start() {
  const open = (await listedFacilities()).filter(({ retired_at: retired }) => retired === null);
  facilities = new Map(open.map((one) => [one.id, one]));
  try {
    ({ allowed } = await get("/v1/me"));
  } catch (error) {
    return sayUnread(error, t("The API cannot be reached; load the page again."));
  }
  const asked = new URLSearchParams(location.search).get("facility");
  if (open.length > 0) await go(facilities.get(asked) ?? open[0]);
  else offer($("facility"), [], "");
}

async function go(wanted) {
  facility = wanted;
  offer($("facility"), named([...facilities.values()]), wanted.id, (id) => go(facilities.get(id)));
  history.replaceState(null, "", `?${new URLSearchParams({ facility: wanted.id })}`);
  const may = allowed.some(({ rights, facilities: only }) => rights.includes("configure") && (only === null || only.includes(wanted.id)));
  $("file").hidden = $("imports").hidden = !may;
  listed = [];
  markUnread($("imports"));
  $("reader").hidden = may;
  choose(null);
  if (!may) return;
  await list();
  // what was under way when the page was left
  const running = listed.find(({ state }) => state === "checking" || state === "taking");
  if (running !== undefined) open(running);
}

const address = () => `/v1/facilities/${encodeURIComponent(facility.id)}/imports`;

// -- the file -----------------------------------------------------------------------------------

async function choose(file) {
  leave();
  shown = null;
  chosen = file === null ? null : { file, begins: await beginning(file) };
  if (file === null) $("chosen").value = "";
  $("preview").hidden = !chosen?.begins;
  $("preview-text").textContent = chosen?.begins ?? "";
  $("draft").disabled = !chosen?.begins;
  $("outcome").replaceChildren();
  draw();
}

function dropped(event) {
  if ($("file").hidden || !event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  if (event.type === "drop" && event.dataTransfer.files.length > 0) {
    $("chosen").files = event.dataTransfer.files;
    choose(event.dataTransfer.files[0]);
  }
}

async function openTable() {
  const [file] = $("table-file").files;
  if (file !== undefined) writeTable(await file.text());
  $("table-file").value = "";
}

function writeTable(text) {
  $("table").value = text;
  $("mapping").open = true;
  forgetCheck();
}

/** What the file does not say itself, as the API takes it. */
function stated() {
  const values = Object.fromEntries(["device", "channel", "unit", "table"].map((name) => [name, $(name).value.trim()]));
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
}

// -- what is done with it -----------------------------------------------------------------------

/** Leave what is under way to itself: the API goes on with it. */
function leave() {
  busy.abort();
  busy = new AbortController();
  isSending = false;
  checked = null;
  $("problems").replaceChildren();
}

function forgetCheck() {
  checked = null;
  draw();
}

async function act(what) {
  const buttons = [$("check"), $("take"), $("remove")];
  for (const button of buttons) button.disabled = true;
  $("problems").replaceChildren();
  say("");
  try {
    await what();
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.status === 401) return sayWhy(error);
    fail(error);
  }
  draw();
}

function fail(error) {
  const texts = (error.cause ?? error).name === "NotReadableError"
    ? t("The file cannot be read any more; choose it again.") : whyWords(error);
  $("problems").replaceChildren(node("li", { role: "alert", textContent: texts }));
  progress(null, "");
}

async function check() {
  const { signal } = busy;
  if (shown === null) shown = await uploadOf(address(), chosen.file, $("holds").value, listed);
  if (shown.state === "receiving") await sendAll(signal);
  $("outcome").replaceChildren();
  const asked = stated();
  shown = await post(`${address()}/${shown.id}/check`, asked);
  await follow(signal);
  if (shown.state === "checked") checked = JSON.stringify(asked);
}

async function sendAll(signal) {
  if (chosen === null) throw new ApiError(0, t("Choose the same file again to go on with it."));
  isSending = true;
  const tell = (state) => progress(state.received / state.bytes, t("{part} of {whole} sent", { part: bytes(state.received), whole: bytes(state.bytes) }));
  try {
    tell(shown);
    shown = await sendFile(address(), shown, chosen.file, {
      signal, told: (state) => (shown = state, tell(state)),
      waits: () => progress(shown.received / shown.bytes, t("The connection is lost; it goes on at {part}.", { part: bytes(shown.received) })),
    });
  } finally {
    isSending = false;
  }
}

async function take() {
  const dialog = $("confirm");
  $("confirm-text").textContent = reportWords(shown.check, true);
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((done) => { dialog.onclose = done; });
  if (dialog.returnValue !== "take") return;
  const { signal } = busy;
  shown = await post(`${address()}/${shown.id}/take`, stated());
  await follow(signal);
  if (shown.state === "taken") forgetFile(shown.id);
}

/** Look how far a run is until it is over. */
async function follow(signal) {
  $("outcome").replaceChildren();
  while (shown.state === "checking" || shown.state === "taking") {
    const values = { rows: number.format(shown.rows) };
    progress(shown.bytes ? shown.read_bytes / shown.bytes : null, shown.state === "checking" ? t("Checking: {rows} rows read", values) : t("Taking: {rows} rows read", values));
    await new Promise((done) => setTimeout(done, LOOK_MS));
    signal.throwIfAborted();
    try {
      const state = await get(`${address()}/${shown.id}`);
      signal.throwIfAborted();
      shown = state;
    } catch (error) {
      signal.throwIfAborted();
      // a restart of whatever process ends no run
      if (isFault(error) || (error.status < 500 && error.status !== 429)) throw error;
      progress(null, t("The API cannot be reached; the file is gone on with."));
    }
  }
  drawOutcome();
  await list();
}

function drawOutcome() {
  progress(null, "");
  const { state, error, check: trial, report } = shown;
  const isTrial = report === null;
  const result = report ?? trial;
  $("outcome").replaceChildren(
    ...(state === "failed" ? [node("p", { className: "doubt", role: "alert", textContent: error })] : []),
    ...(state === "taken" ? [node("p", { className: "good", role: "status", textContent: t("The file is taken.") })] : []),
    ...(report !== null && state === "checked" ? [node("p", { className: "doubt", role: "alert", textContent: t("Nothing was stored: correct these lines, and send the file again.") })] : []),
    ...(result === null ? [] : showReport(result, { isTrial, facility: facility.id })));
}

async function remove(one) {
  await send("DELETE", `${address()}/${one.id}`);
  forgetFile(one.id);
  if (shown?.id === one.id) choose(null);
  await list();
}

function progress(part, words) {
  $("progress").hidden = words === "";
  $("progress-text").textContent = words;
  if (part === null) $("bar").removeAttribute("value");
  else $("bar").value = part;
}

function draw() {
  const isRunning = shown !== null && (shown.state === "checking" || shown.state === "taking");
  $("check").disabled = isRunning || isSending || (shown === null ? chosen === null : shown.state === "taken");
  $("take").disabled = checked === null || shown?.state !== "checked" || shown.check === null || shown.check.stored === 0;
  $("remove").disabled = shown === null;
  $("holds").disabled = shown !== null;
  $("stated").hidden = $("holds").value === "activities";
}

// -- the files so far ---------------------------------------------------------------------------

async function list() {
  const asked = facility;
  try {
    const found = await get(address());
    // another facility was chosen meanwhile
    if (asked !== facility) return;
    listed = found;
  } catch (error) {
    return sayUnread(error);
  }
  markRead($("imports"));
  $("imports-summary").textContent = listed.length ? t("newest first") : t("none yet");
  redraw($("import-rows"), ...(listed.length ? [table(
    [t("File"), t("Begun"), t("State"), t("Rows"), t("What to do")],
    listed.map((one) => [one.name, `${wallTime(Date.parse(one.created_at), facility.timezone).slice(0, 16)} · ${whoWords(one.by)}`, stateWords(one), outcomeWords(one), actions(one)]))] : []));
}

function stateWords({ state, received, bytes: size }) {
  return {
    receiving: t("{percent} % sent; choose the same file to go on", { percent: number.format(Math.floor((received / size) * 100)) }),
    received: t("sent"), checking: t("is being checked"), checked: t("checked"), taking: t("is being taken"), taken: t("taken"), failed: t("cannot be read"),
  }[state];
}

const outcomeWords = ({ report }) => (report === null ? "–"
  : t("{stored} stored, {refused} refused", { stored: number.format(report.stored), refused: number.format(total(report)) }));

function actions(one) {
  const press = (name, what) => node("button", { type: "button", className: "plain", textContent: name, onclick: what, ariaLabel: `${name}: ${one.name}` });
  return node("span", { className: "steps" },
    press(t("Show"), () => open(one)), press(t("Remove"), () => act(() => remove(one))));
}

async function open(one) {
  leave();
  shown = one;
  $("holds").value = one.holds;
  if (chosen !== null && (chosen.file.name !== one.name || chosen.file.size !== one.bytes)) {
    chosen = null;
    $("chosen").value = "";
    $("preview").hidden = true;
  }
  $("file").scrollIntoView({ block: "start" });
  drawOutcome();
  if (one.state === "receiving") progress(one.received / one.bytes, stateWords(one));
  draw();
  if (one.state === "checking" || one.state === "taking") await act(() => follow(busy.signal));
}

const UNITS = ["B", "kB", "MB", "GB"];

function bytes(size) {
  const step = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(size, 1)) / 3));
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: step > 1 ? 1 : 0 }).format(size / 1000 ** step)}\u00a0${UNITS[step]}`;
}
