// What applying a facility file changes, and what of the past is computed again because of it.

import { changeWords, placeWords } from "./change-words.js";
import { reasonWords } from "./codes.js";
import { node } from "./dom.js";
import { table } from "./tree.js";
import { plural, t } from "./words.js";
import { clockWords } from "./zones.js";

export const nothingChanges = ({ changes, differences }) => changes.length === 0 && differences.length === 0;

/** Everything that a dry run or an apply says, as sections. */
export function outcome(result, zone) {
  const { changes, differences, warnings, dry_run: isDry } = result;
  const title = isDry ? t("What applying it would change") : t("What applying it changed");
  return [
    node("h3", { textContent: title }),
    ...(nothingChanges(result) ? [node("p", { textContent: t("Comments and layout alone: no total changes.") })] : []),
    ...(differences.length ? [table([t("Where"), t("Before"), t("After")], differences.map(({ place, before, after }) => [
      placeWords(place), stated(before, t("not stated")), stated(after, t("no longer stated")),
    ]))] : []),
    ...(changes.length ? [node("details", {}, node("summary", { textContent: t("Parts that change: {n}", { n: changes.length }) }),
      node("ul", {}, ...changes.map((change) => node("li", { textContent: changeWords(change) }))))] : []),
    ...restated(result, zone),
    ...(warnings.length ? [node("h3", { textContent: t("Warnings") }),
      node("ul", {}, ...warnings.map((warning) => node("li", { className: "doubt", textContent: warning })))] : []),
  ];
}

/** The same in short, for whoever is about to apply it. */
export function restatedWords(result, zone) {
  return [
    node("p", { textContent: nothingChanges(result)
      ? t("Only comments and layout change.")
      : plural("{n} value is stated otherwise.", "{n} values are stated otherwise.", result.differences.length) }),
    ...restated(result, zone),
  ];
}

function restated({ restatements }, zone) {
  const title = node("h3", { textContent: t("What is computed again") });
  if (restatements.length === 0) return [title, node("p", { textContent: t("Nothing of the past.") })];
  const at = (time) => clockWords(Date.parse(time), zone);
  return [title, table([t("Source"), t("From"), t("To"), t("Hours"), t("Why")],
    restatements.map(({ source, from, to, hours, reason }) => [source, at(from), at(to), String(hours), reasonWords(reason)]))];
}

/** A value as the file has it; long ones on demand. */
function stated(value, none) {
  if (value === null) return node("span", { className: "quiet", textContent: none });
  if (value.length <= 120) return node("code", { textContent: value });
  return node("details", {}, node("summary", { textContent: `${value.slice(0, 60)} …` }), node("code", { textContent: value }));
}
