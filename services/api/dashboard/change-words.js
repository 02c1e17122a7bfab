// What applying a facility file changes, and where in it, in the reader's language: the API says it in the
// words of the file, `+ device meter-grid` and `device meter-grid, channel import, max_gap`.

import { keyWords } from "./schema-words.js";
import { t } from "./words.js";

/** Parts of a file, by the words that stand before their names; longer ones before their beginnings. */
const PARTS = {
  "replay of what waits in quarantine for": (name) => t("replay of what waits in quarantine for {name}", { name }),
  "calibration function": (name) => t("calibration function {name}", { name }),
  "derived channel": (name) => t("derived channel {name}", { name }),
  "grant of secret": (name) => t("grant of secret {name}", { name }),
  "path of scope": (name) => t("path of scope {name}", { name }),
  "notify entry": (name) => t("notify entry {name}", { name }),
  facility: (name) => t("facility {name}", { name }),
  device: (name) => t("device {name}", { name }),
  channel: (name) => t("channel {name}", { name }),
  source: (name) => t("source {name}", { name }),
  production: (name) => t("production {name}", { name }),
  product: (name) => t("product {name}", { name }),
  removal: (name) => t("removal {name}", { name }),
  credit: (name) => t("credit {name}", { name }),
  factor: (name) => t("factor {name}", { name }),
  threshold: (name) => t("threshold {name}", { name }),
  maintenance: (name) => t("maintenance {name}", { name }),
  organisation: (name) => t("organisation {name}", { name }),
  epoch: (name) => t("epoch {name}", { name }),
  audit: (name) => t("audit {name}", { name }),
  run: (name) => t("run {name}", { name }),
  pollutant: (name) => t("pollutant {name}", { name }),
  limit: (name) => t("limit {name}", { name }),
  condition: (name) => t("condition {name}", { name }),
};

/** What stands behind a name. */
const ENDS = [
  [/^(.*), retired since (\S+)$/, (name, since) => t("{name}, retired since {since}", { name, since })],
  [/^(.*), superseded$/, (name) => t("{name}, superseded", { name })],
  [/^(.*), replaced$/, (name) => t("{name}, replaced", { name })],
  [/^(.*), kept$/, (name) => t("{name}, kept", { name })],
  [/^(.*) and (\d+) more$/, (name, n) => t("{name} and {n} more", { name, n })],
  [/^(.*) to open$/, (name) => t("{name}, open-ended", { name })],
  [/^(.*) from always$/, (name) => t("{name} since ever", { name })],
  [/^(.*) from (\d{4}-\d\d-\d\d)$/, (name, since) => t("{name} from {since}", { name, since })],
];

function nameWords(name) {
  for (const [pattern, words] of ENDS) {
    const [, inner, ...rest] = pattern.exec(name) ?? [];
    if (inner !== undefined) return words(nameWords(inner), ...rest);
  }
  return name;
}

function partWords(text) {
  const [kind, words] = Object.entries(PARTS).find(([start]) => text.startsWith(`${start} `)) ?? [];
  return words === undefined ? null : words(nameWords(text.slice(kind.length + 1)));
}

/** A line of what changes: a sign, and the part of the file. */
export function changeWords(line) {
  const [, sign, text] = /^([+~-]) (.*)$/s.exec(line) ?? [];
  return sign === undefined ? line : `${sign} ${partWords(text) ?? text}`;
}

/** A place in a file: entries of lists by what they are and their ids, keys by what they are called. */
export const placeWords = (place) =>
  place.split(", ").map((step) => partWords(step) ?? (/^[a-z0-9_]+$/.test(step) ? keyWords(step) : step)).join(", ");
