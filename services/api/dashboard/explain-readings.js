// The readings behind an input, fetched when somebody opens them.

import { get } from "./api.js";
import { node } from "./dom.js";
import { table } from "./tree.js";
import { qualityWords } from "./codes.js";
import { wallTime } from "./format.js";
import { locale, t } from "./words.js";

const HOUR_MS = 3_600_000;
/** More rows than these make a table that nobody reads: the rest is in the file. */
const SHOWN = 600;
/** As many digits as were sent. */
const asSent = new Intl.NumberFormat(locale, { maximumSignificantDigits: 17, useGrouping: false });

/** Details of the readings within an hour of one channel. */
export function readingsOf({ facility, device, channel, hour, zone }) {
  const asked = {
    facility: facility.id, device, channel, raw: true,
    from: hour, to: new Date(Date.parse(hour) + HOUR_MS).toISOString(),
  };
  const csv = node("a", { href: `/v1/readings.csv?${new URLSearchParams(asked)}`, download: "", textContent: "CSV" });
  const body = node("div", {}, node("p", { className: "quiet", textContent: t("loading") }));
  const details = node("details", {}, node("summary", { textContent: t("Readings of this hour") }), node("p", {}, csv), body);
  details.addEventListener("toggle", async () => {
    if (!details.open) return;
    try {
      const rows = await get("/v1/readings", { ...asked, limit: SHOWN });
      if (rows.length === 0) {
        body.replaceChildren(node("p", { className: "quiet", textContent: t("There is no reading in this hour itself.") }));
        return;
      }
      body.replaceChildren(
        ...(rows.length === SHOWN ? [node("p", { className: "quiet", textContent: t("The first {n}; the CSV has all.", { n: SHOWN }) })] : []),
        table([t("Time"), t("Value"), t("Unit"), t("Quality")], rows.map(({ time, value, unit, quality }) =>
          [wallTime(Date.parse(time), zone).slice(11), value === null ? t("no value") : asSent.format(value), unit, qualityWords(quality)])));
    } catch (error) {
      body.replaceChildren(node("p", { className: "doubt", textContent: t("The readings cannot be shown: {why}", { why: error.message }) }));
    }
  });
  return details;
}
