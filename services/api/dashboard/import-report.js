// What became of the rows of a file, or would become of them.

import { node } from "./dom.js";
import { reasonWord } from "./pipeline-words.js";
import { table } from "./tree.js";
import { locale, plural, t } from "./words.js";

const SHOWN = 100;
const number = new Intl.NumberFormat(locale);

/** By the codes of reports that are none of the quarantine. */
const REASONS = { misshapen: t("no such row"), other_facility: t("another facility") };

const word = (code) => REASONS[code] ?? reasonWord(code);

export const total = ({ refused }) => Object.values(refused).reduce((sum, n) => sum + n, 0);

/** A report as a sentence. */
export function reportWords(report, isTrial) {
  const values = { read: number.format(report.read), stored: number.format(report.stored), there: number.format(report.duplicates), refused: number.format(total(report)) };
  return isTrial
    ? t("{read} rows read: {stored} would be stored, {there} are there already, {refused} would be refused.", values)
    : t("{read} rows read: {stored} stored, {there} there already, {refused} refused.", values);
}

/** A report as elements: the sentence, the reasons, and the rows that were refused. */
export function showReport(report, { isTrial, facility }) {
  const refused = Object.entries(report.refused).sort(([, a], [, b]) => b - a);
  const rows = report.refusals.slice(0, SHOWN);
  return [
    node("p", { className: total(report) ? "doubt" : "", textContent: reportWords(report, isTrial) }),
    ...(report.gaps ? [note(plural("{n} of the refused leaves a gap, which counts as stored.", "{n} of the refused leave a gap, which counts as stored.", report.gaps))] : []),
    ...(report.shed ? [note(plural("{n} more was refused, and quarantine had no room for it.", "{n} more were refused, and quarantine had no room for them.", report.shed))] : []),
    ...(refused.length ? [table([t("Reason"), t("Rows")], refused.map(([code, n]) => [reason(code), number.format(n)]))] : []),
    ...(rows.length ? [
      node("h3", { textContent: isTrial ? t("Rows that would be refused") : t("Refused rows") }),
      table([t("Line"), t("Reason"), t("Why")], rows.map(({ line, reason: code, detail }) => [line || "–", reason(code), detail])),
      ...(total(report) > rows.length ? [note(t("These are the first {n} of {all}.", { n: number.format(rows.length), all: number.format(total(report)) }))] : []),
    ] : []),
    ...(!isTrial && refused.some(([code]) => !(code in REASONS)) ? [node("p", {}, node("a", { href: `/devices?${new URLSearchParams({ facility })}#quarantine`, textContent: t("See the quarantine") }))] : []),
  ];
}

const note = (textContent) => node("p", { className: "quiet", textContent });

const reason = (code) => (code in REASONS ? word(code)
  : node("a", { href: `/docs/reference/quarantine-reasons.html#${code}`, textContent: word(code), title: code }));
