// Names of bars and ranges, and what is said of a total.

import { FIGURES } from "./figures.js";
import { massText, percent } from "./format.js";
import { BARS, nextBar } from "./range.js";
import { plural, t } from "./words.js";
import { clock, day, dayAndClock, instantOf, wallOf, wallWords } from "./zones.js";

const shortDay = wallWords({ day: "numeric", month: "short" });
const month = wallWords({ month: "short", year: "numeric" });
const year = wallWords({ year: "numeric" });

const label = {
  "5m": spanned, "15m": spanned, "1h": spanned,
  "1d": (from) => day(from), "1w": (from) => t("week from {day}", { day: day(from) }),
  "1mo": (from) => month(from), "1y": (from) => year(from),
};
/** A smaller change is told as none. */
const ALIKE = 0.001;

const tick = { "1d": shortDay, "1w": shortDay, "1mo": month, "1y": year };

function spanned(from, to) {
  return `${dayAndClock(from)} – ${clock(to)}`;
}

/** Each row's bar: wall times `from` and `to`, instants `begin` and `end`, `label` and `tick`. */
export function barsOf(rows, { bars }, zone) {
  return rows.map(({ time }, i) => {
    const begin = Date.parse(time);
    const from = wallOf(begin, zone);
    const end = i + 1 < rows.length ? Date.parse(rows[i + 1].time) : endOf(begin, from, bars, zone);
    const to = wallOf(end, zone);
    const short = tick[bars] ?? (from.endsWith("T00:00") || bars === "1h" ? (wall) => `${shortDay(wall)}\n${clock(wall)}` : clock);
    return { begin, end, from, to, label: label[bars](from, to), tick: short(from) };
  });
}

/** Hours and less have a length; days and longer end with the calendar. */
function endOf(begin, from, bars, zone) {
  const { unit, minutes } = BARS[bars];
  return unit ? instantOf(nextBar(from, bars), zone) : begin + minutes * 60_000;
}

export const said = {
  /** A range in words; a whole day or more by its days, the last one included. */
  range({ from, to }) {
    const whole = from.endsWith("T00:00") && to.endsWith("T00:00");
    if (!whole) return `${dayAndClock(from)} – ${dayAndClock(to)}`;
    const last = new Date(Date.parse(`${to}Z`) - 60_000).toISOString().slice(0, 16);
    return day(from) === day(last) ? day(from) : `${day(from)} – ${day(last)}`;
  },

  /** How a total came about. */
  methods({ kg, substituted, estimated, missing, isProvisional }) {
    return [
      t("{share} of the time known", { share: percent(1 - missing) }),
      ...(substituted > 0 ? [t("{share} substituted", { share: percent(substituted) })] : []),
      ...(estimated > 0 ? [t("{share} estimated", { share: percent(estimated) })] : []),
      ...(kg !== null && isProvisional ? [t("not final: newest hours may still change")] : []),
    ];
  },

  /** A range beside another one, by the bars that are over: the running one has no end to compare. */
  comparison({ total, compared, bars, figure, name }) {
    const complete = bars.map((bar, i) => i).filter((i) => bars[i].end <= Date.now() && i < compared.length);
    if (complete.length === 0) return t("{name}: no bar of this time is over yet", { name });
    const of = (rows) => {
      const known = complete.map((i) => rows[i]).filter((row) => row.share_missing < 1 && row[FIGURES[figure].kg] !== null);
      const missing = complete.reduce((sum, i) => sum + rows[i].share_missing, 0) / complete.length;
      return { kg: known.length ? known.reduce((sum, row) => sum + row[FIGURES[figure].kg], 0) : null, known: 1 - missing };
    };
    const [now, then] = [of(total), of(compared)];
    if (now.kg === null || then.kg === null) return `${name}: ${massText(then.kg)}`;
    const mass = `${name} ${massText(then.kg)}`;
    const beside = complete.length === bars.length ? mass : plural(
      "{mass}, over the first bar, which is over", "{mass}, over the first {n} bars, which are over", complete.length, { mass });
    // masses of which different parts are known say nothing by their difference
    if (Math.abs(now.known - then.known) > 0.01) {
      return t("{beside}: not comparable, {then} of that time is known and {now} of this", {
        beside, then: percent(then.known), now: percent(now.known),
      });
    }
    if (then.kg === 0) return beside;
    const change = (now.kg - then.kg) / Math.abs(then.kg);
    if (Math.abs(change) < ALIKE) return t("within {share} of {beside}", { share: percent(ALIKE), beside });
    return t("{change} against {beside}", { change: `${change < 0 ? "−" : "+"}${percent(Math.abs(change))}`, beside });
  },
};
