// A file on its way to the API: part by part, and on where it was after a lost connection.

import { ApiError, get, post, sendBytes } from "./api.js";
import { isFault } from "./why-words.js";

/** A part takes about a second: a slow line sends small ones, which are not given up. */
const FIRST_BYTES = 256 << 10;
const MOST_BYTES = 8 << 20;
const AIM_MS = 1500;
const LONGEST_WAIT_MS = 15_000;
const MARK = "tonne-import-";
/** Answers that are no fault of the file: what is away comes back. */
const PASSES = new Set([408, 429, 500, 502, 503, 504]);

/** Send what is missing of `file`; `told` hears each state. Ends with the state that has all of it. */
export async function sendFile(address, state, file, { told, waits, signal }) {
  let size = FIRST_BYTES;
  let tries = 0;
  while (state.received < state.bytes) {
    signal.throwIfAborted();
    try {
      const began = performance.now();
      const part = file.slice(state.received, state.received + size);
      state = await sendBytes(`${address}/${state.id}/content?offset=${state.received}`, part);
      const took = Math.max(performance.now() - began, 1);
      size = Math.round(Math.min(MOST_BYTES, Math.max(FIRST_BYTES, size * Math.min(4, AIM_MS / took))));
      tries = 0;
      told(state);
    } catch (error) {
      signal.throwIfAborted();
      if (isFault(error) || error.cause?.name === "NotReadableError") throw error;
      if (error.status === 413) size = Math.max(1, size >> 1);
      else if (error instanceof ApiError && error.status !== 409 && !PASSES.has(error.status)) throw error;
      else await pause(tries += 1, waits);
      state = await known(address, state);
    }
  }
  return state;
}

async function pause(tries, waits) {
  const delay = Math.min(LONGEST_WAIT_MS, 500 * 2 ** tries) * (0.5 + Math.random() / 2);
  if (tries > 1) waits();
  await new Promise((done) => setTimeout(done, delay));
}

/** How far the API is; as it was said last where it cannot be asked. */
async function known(address, state) {
  try {
    return await get(`${address}/${state.id}`);
  } catch (error) {
    if (isFault(error) || (error instanceof ApiError && !PASSES.has(error.status))) throw error;
    return state;
  }
}

/** The upload of a file that was begun before, or a new one. */
export async function uploadOf(address, file, holds, listed) {
  const begun = listed.find((one) => one.state === "receiving" && one.name === file.name && one.bytes === file.size
    && one.holds === holds && localStorage.getItem(MARK + one.id) === String(file.lastModified));
  if (begun !== undefined) return begun;
  const state = await post(address, { name: file.name, bytes: file.size, holds });
  localStorage.setItem(MARK + state.id, String(file.lastModified));
  return state;
}

/** Nothing is to be gone on with. */
export const forgetFile = (id) => localStorage.removeItem(MARK + id);
