// The readings behind an input, fetched when somebody opens them, with what people corrected of them.

import { get } from "./api.js";
import { whoWords } from "./audit-words.js";
import { qualityWords } from "./codes.js";
import { offerCorrection } from "./correct-reading.js";
import { node, redraw } from "./dom.js";
import { wallTime } from "./format.js";
import { table } from "./tree.js";
import { Turns } from "./turns.js";
import { whyWords } from "./why-words.js";
import { locale, t } from "./words.js";

const HOUR_MS = 3_600_000;
/** More rows than these make a table that nobody reads: the rest is in the file. */
const SHOWN = 600;
/** As many digits as were sent. */
const asSent = new Intl.NumberFormat(locale, { maximumSignificantDigits: 17, useGrouping: false });

const valueWords = (value) => (value === null ? t("no value") : asSent.format(value));

/** Details of the readings within an hour of one channel. */
export function readingsOf({ facility, device, channel, unit, hour, zone, mayCorrect }) {
  const span = { facility: facility.id, device, channel, from: hour, to: new Date(Date.parse(hour) + HOUR_MS).toISOString() };
  const asked = { ...span, raw: true };
  const csv = node("a", { href: `/v1/readings.csv?${new URLSearchParams(asked)}`, download: "", textContent: "CSV" });
  const body = node("div", {}, node("p", { className: "quiet", textContent: t("loading") }));
  const details = node("details", {}, node("summary", { textContent: t("Readings of this hour") }), node("p", {}, csv), body);

  const drawing = new Turns();

  async function draw() {
    const isNewest = drawing.begin();
    try {
      const [rows, corrections] = await Promise.all([
        get("/v1/readings", { ...asked, limit: SHOWN }), get("/v1/readings/corrections", span),
      ]);
      if (!isNewest()) return;
      const byTime = Map.groupBy(corrections, ({ time }) => time);
      const correct = (row) => offerCorrection({
        facility: facility.id, device, channel, unit, hour, zone, row,
        onDone: draw,
      });
      const add = mayCorrect ? [button(t("Add a reading"), "", () => correct(null))] : [];
      if (rows.length === 0) {
        redraw(body, node("p", { className: "quiet", textContent: t("There is no reading in this hour itself.") }), ...add);
        return;
      }
      const names = [t("Time"), t("Value"), t("Unit"), t("Quality"), ...(corrections.length ? [t("Corrected")] : []), ...(mayCorrect ? [t("Correct")] : [])];
      redraw(body,
        ...(rows.length === SHOWN ? [node("p", { className: "quiet", textContent: t("The first {n}; the CSV has all.", { n: SHOWN }) })] : []),
        table(names, rows.map((row) => {
          const shown = wallTime(Date.parse(row.time), zone).slice(11);
          return [
            shown, valueWords(row.value), row.unit, qualityWords(row.quality),
            ...(corrections.length ? [history(byTime.get(row.time) ?? [])] : []),
            ...(mayCorrect ? [button(t("Correct"), t("Correct the reading of {time}", { time: shown }), () => correct(row))] : []),
          ];
        })),
        ...add);
    } catch (error) {
      if (!isNewest()) return;
      body.replaceChildren(node("p", { className: "doubt", textContent: t("The readings cannot be shown: {why}", { why: whyWords(error) }) }));
    }
  }

  details.addEventListener("toggle", () => details.open && draw());
  return details;
}

function button(textContent, label, onclick) {
  const made = node("button", { type: "button", className: "plain", textContent, onclick });
  if (label) made.setAttribute("aria-label", label);
  return made;
}

/** What stood there before, by whom it was changed and why; the newest first. */
function history(corrections) {
  if (corrections.length === 0) return "–";
  return node("span", {}, ...corrections.toReversed().map(({ old_value: old, old_quality: quality, kind, by, reason }) =>
    node("span", { className: kind === "corrected" ? "corrected" : "quiet", textContent: [
      quality === null ? t("added by {by}", { by: whoWords(by) }) : t("was {value} ({quality}), by {by}", { value: valueWords(old), quality: qualityWords(quality), by: whoWords(by) }),
      ...(reason ? [reason] : []),
    ].join(": ") })));
}
