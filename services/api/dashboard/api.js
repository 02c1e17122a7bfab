// The public API, with the key of this tab. Streams are read with fetch, for EventSource sends no key.

import { language, t } from "./words.js";

const KEY = "tonne-api-key";
/** A question that hangs is given up, so that the next one is asked. */
const PATIENCE_MS = 30_000;
/** A stream says something each 15 s, if only that it lives; after this it hangs. */
const SILENCE_MS = 40_000;
/** Refused for now: a moment later there may be room. */
const TOO_MANY = 429;

export class ApiError extends Error {
  constructor(status, detail, type = "") {
    super(detail);
    this.status = status;
    this.type = type;
  }
}

/** The API gave no answer: it, or the way to it, is away. */
export class AwayError extends Error {}

/** Wait for what comes from the network; whatever goes wrong there means that the API is away. */
async function reached(coming) {
  try {
    return await coming;
  } catch (error) {
    // an answer that is no JSON has come
    if (error instanceof SyntaxError) throw error;
    throw new AwayError(error.message, { cause: error });
  }
}

export function rememberKey(key) {
  sessionStorage.setItem(KEY, key);
}

export function forgetKey() {
  sessionStorage.removeItem(KEY);
}

export const hasKey = () => sessionStorage.getItem(KEY) !== null;

/** A file of the API, and the name that it has. */
export async function file(address) {
  const response = await asked(address, {});
  const [, name] = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "") ?? [];
  return { content: await reached(response.blob()), name: name ?? new URL(response.url).pathname.split("/").at(-1) };
}

/** What the API says itself is asked for in the language of the page. */
function headers(extra = {}) {
  const key = sessionStorage.getItem(KEY);
  return { "Accept-Language": language, ...extra, ...(key && { Authorization: `Bearer ${key}` }) };
}

/** What was refused; a detail that the API has in English alone comes after its title. */
async function failure(response) {
  try {
    const { title = "", detail = response.statusText, type } = await response.json();
    const isTold = (response.headers.get("Content-Language") ?? language) === language;
    return new ApiError(response.status, isTold ? detail : t("{title}: {detail}", { title, detail }), type);
  } catch {
    // not a problem body; the status text has to do
    return new ApiError(response.status, response.statusText);
  }
}

async function asked(address, accept) {
  const response = await reached(fetch(address, { headers: headers(accept), signal: AbortSignal.timeout(PATIENCE_MS) }));
  if (!response.ok) throw await failure(response);
  noteMissing(response);
  return response;
}

/** By path, the facilities that its newest list has not, because their database does not answer. */
const missing = new Map();

/** Tell the page when facilities begin to be missing from a list, or no longer are. */
function noteMissing(response) {
  const { pathname } = new URL(response.url);
  const detail = response.headers.get("Tonne-Missing") ?? "";
  if (detail === (missing.get(pathname) ?? "")) return;
  missing.set(pathname, detail);
  dispatchEvent(new CustomEvent("missing", { detail }));
}

export async function get(path, parameters = {}) {
  const response = await asked(`${path}?${new URLSearchParams(parameters)}`, { Accept: "application/json" });
  return reached(response.json());
}

/** Whether answers are current, and what needs attention; the API says it with 503 too. */
export async function readiness() {
  const asking = { headers: headers({ Accept: "application/json" }), signal: AbortSignal.timeout(PATIENCE_MS) };
  return reached((await reached(fetch("/readyz", asking))).json());
}

/** A text, and the tag that tells it from others. */
export async function text(address) {
  const response = await asked(address, {});
  return { text: await reached(response.text()), tag: response.headers.get("ETag") };
}

/** A page of a list, and the address of the next one; null: it is the last. */
export async function page(address) {
  const response = await asked(address, { Accept: "application/json" });
  const next = /<([^>]+)>; rel="next"/.exec(response.headers.get("Link") ?? "");
  return { rows: await reached(response.json()), next: next && next[1] };
}

export const post = (path, body) => send("POST", path, body);

export const send = (method, path, body) => sent(method, path, JSON.stringify(body), { "Content-Type": "application/json" });

/** Send a facility file, or what may become one. */
export const sendText = (method, path, body, extra = {}) => sent(method, path, body, { "Content-Type": "application/yaml", ...extra });

/** Send bytes of a file; returns what the API says of it then. */
export const sendBytes = (path, bytes) => sent("PUT", path, bytes, { "Content-Type": "application/octet-stream" });

async function sent(method, path, body, extra) {
  const response = await reached(fetch(path, {
    method,
    headers: headers({ Accept: "application/json", ...extra }),
    body,
    signal: AbortSignal.timeout(PATIENCE_MS),
  }));
  if (!response.ok) throw await failure(response);
  return response.status === 204 ? null : reached(response.json());
}

/** Follow the live stream of a facility until `signal` aborts; reconnects by itself. */
export async function follow(facility, { signal, onLive, onState, onHeard }) {
  let lastId = "";
  let tries = 0;
  while (!signal.aborted) {
    const watched = watch(signal, { onHeard, onSilence: () => onState("silent") });
    try {
      const response = await reached(fetch(`/v1/stream?${new URLSearchParams({ facility })}`, {
        headers: headers({ Accept: "text/event-stream", ...(lastId && { "Last-Event-ID": lastId }) }),
        cache: "no-store",
        signal: watched.signal,
      }));
      if (!response.ok) throw await failure(response);
      for await (const event of events(response.body, watched.heard)) {
        if (event.id) lastId = event.id;
        if (event.event === "live") {
          tries = 0;
          onState("live");
          onLive(JSON.parse(event.data));
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!passes(error)) throw error;
    } finally {
      watched.end();
    }
    if (signal.aborted) return;
    tries += 1;
    // a stream that ran its course is taken up at once, without a word; one that hung has said so
    if (tries > 1 && !watched.hung) onState(tries > 4 ? "offline" : "reconnecting");
    const delay = tries === 1 ? 100 : Math.min(10_000, 500 * 2 ** tries) * (0.5 + Math.random() / 2);
    await new Promise((done) => setTimeout(done, delay));
  }
}

/** Whether what ended a stream may be over when it is asked for again. */
const passes = (error) => error instanceof AwayError
  || (error instanceof ApiError && (error.status >= 500 || error.status === TOO_MANY));

/** Give a stream up, after a word to `onSilence`, when `heard` is not called for too long. */
function watch(signal, { onHeard, onSilence }) {
  const controller = new AbortController();
  const watched = { signal: AbortSignal.any([signal, controller.signal]), hung: false };
  let timer;
  const expect = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      watched.hung = true;
      onSilence();
      controller.abort();
    }, SILENCE_MS);
  };
  watched.heard = () => {
    onHeard();
    expect();
  };
  watched.end = () => clearTimeout(timer);
  expect();
  return watched;
}

async function* events(body, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reached(reader.read());
    if (done) return;
    heard();
    text += value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      yield parse(text.slice(0, end));
      text = text.slice(end + 2);
    }
  }
}

function parse(block) {
  const event = { event: "message", data: "", id: "" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) event[line.slice(0, colon)] = line.slice(colon + 2);
  }
  return event;
}
