// The readings behind an input, fetched when somebody opens them.

import { get } from "./api.js";
import { node } from "./dom.js";
import { table } from "./tree.js";
import { wallTime } from "./format.js";

const HOUR_MS = 3_600_000;
/** More rows than these make a table that nobody reads: the rest is in the file. */
const SHOWN = 600;

/** Details of the readings within an hour of one channel. */
export function readingsOf({ facility, device, channel, hour, zone }) {
  const asked = {
    facility: facility.id, device, channel, raw: true,
    from: hour, to: new Date(Date.parse(hour) + HOUR_MS).toISOString(),
  };
  const csv = node("a", { href: `/v1/readings.csv?${new URLSearchParams(asked)}`, download: "", textContent: "CSV" });
  const body = node("div", {}, node("p", { className: "quiet", textContent: "loading" }));
  const details = node("details", {}, node("summary", { textContent: "Readings of this hour" }), node("p", {}, csv), body);
  details.addEventListener("toggle", async () => {
    if (!details.open) return;
    try {
      const rows = await get("/v1/readings", { ...asked, limit: SHOWN });
      if (rows.length === 0) {
        body.replaceChildren(node("p", { className: "quiet", textContent: "There is no reading in this hour itself." }));
        return;
      }
      body.replaceChildren(
        ...(rows.length === SHOWN ? [node("p", { className: "quiet", textContent: `The first ${SHOWN}; the CSV has all.` })] : []),
        table(["Time", "Value", "Unit", "Quality"], rows.map(({ time, value, unit, quality }) =>
          [wallTime(Date.parse(time), zone).slice(11), value === null ? "no value" : String(value), unit, quality])));
    } catch (error) {
      body.replaceChildren(node("p", { className: "doubt", textContent: `The readings cannot be shown: ${error.message}` }));
    }
  });
  return details;
}
