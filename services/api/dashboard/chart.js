// The last 24 hours: bars of five minutes without a space between, stacked by source. A bar is what
// the API says of its interval, never scaled up to what might have been: time without data leaves a
// hatched column behind, for a gap is not zero, and what was not measured has a pattern.

import { get } from "./api.js";
import { FIGURES } from "./figures.js";
import { NO_DATA, percent, rateText, wallTime } from "./format.js";
import { withOthers } from "./history-series.js";
import { drawLegend } from "./legend.js";
import { limitLines } from "./limits.js";
import { SMALL } from "./masses.js";
import { GAP, METHODS, methodOf, notMeasured } from "./methods.js";
import { drawPlot } from "./plot.js";
import { OTHERS, colour } from "./sources.js";
import { setSeen } from "./unread.js";
import { t } from "./words.js";
import { wallOf } from "./zones.js";

const STEP_MS = 5 * 60_000;
const SPAN_MS = 24 * 3_600_000;
const HOUR_MS = 3_600_000;
/** Readings that come late change buckets that were drawn long ago. */
const REFRESH_ALL_MS = 5 * 60_000;
const REFRESH_MS = 4_000;
const STEP_HOURS = STEP_MS / HOUR_MS;
/** Younger buckets are not called gaps: their readings are on the way. */
const GRACE_MS = 2 * STEP_MS;
/** What is drawn or said of an interval, and nothing else. */
const FIELDS = [
  "time", "source", ...Object.values(FIGURES).map(({ kg }) => kg), ...METHODS.map(({ share }) => share), "share_missing",
].join(",");

export class Chart {
  constructor(element, legend) {
    this.element = element;
    this.legend = legend;
    this.facility = null;
    this.rows = new Map();
    /** Set by whoever reads them; drawn with the next update. */
    this.limits = [];
    /** Which mass is drawn, by its name; drawn with the next update. */
    this.figure = "co2";
    /** What is drawn: { times, label, series }; null: nothing yet. */
    this.shown = null;
    this.onDrawn = () => {};
    this.readAllAt = 0;
    this.readAt = 0;
    this.busy = false;
  }

  show(facility) {
    this.facility = facility;
    this.rows = new Map(facility.sources.map((source) => [source.id, new Map()]));
    this.readAllAt = 0;
    this.readAt = 0;
    this.shown = null;
    // what was drawn of another facility is not seen until there is something of this one
    setSeen([this.element, this.legend], false);
    return this.update();
  }

  /** Fetch the newest buckets, now and then all of them, and draw. */
  async update() {
    const now = Date.now();
    if (this.busy || !this.facility || now - this.readAt < REFRESH_MS) return;
    const facility = this.facility;
    const all = now - this.readAllAt > REFRESH_ALL_MS;
    this.busy = true;
    this.readAt = now;
    try {
      const rows = await get("/v1/emissions", {
        facility: facility.id,
        interval: "5m",
        from: Math.round(now - (all ? SPAN_MS : 3 * STEP_MS)),
        fields: FIELDS,
      });
      if (facility !== this.facility) return;
      if (all) this.readAllAt = now;
      for (const row of rows) this.rows.get(row.source)?.set(Date.parse(row.time), row);
      for (const ofSource of this.rows.values()) {
        for (const time of ofSource.keys()) if (time < now - SPAN_MS - STEP_MS) ofSource.delete(time);
      }
      this.draw();
    } finally {
      this.busy = false;
    }
  }

  draw() {
    // before the first answer there is nothing to say about any time
    if (!this.readAllAt) return;
    const now = Date.now();
    const zone = this.facility.timezone;
    const times = [...new Set([...this.rows.values()].flatMap((rows) => [...rows.keys()]))].sort((a, b) => a - b);
    const label = times.map((time) => `${clock(time, zone)} – ${clock(time + STEP_MS, zone)}`);
    const all = this.facility.sources.map((source, index) => {
      const rows = times.map((time) => this.rows.get(source.id).get(time));
      const rates = rows.map((row) => this.meanRate(row));
      return {
        key: source.id, name: source.name, colour: colour(index), rows, patterns: rows.map((row) => methodOf(row)?.mark ?? ""),
        values: rates.map((kg) => (kg === null ? null : kg / SMALL.kg)),
        texts: rates.map((kg, i) => [label[i], `${source.name}: ${barText(rows[i], kg, times[i] + STEP_MS > now)}`]),
      };
    });
    const series = withOthers(all).map((one) => (one.key === "others" ? others(one, label) : one));
    const lacking = times.map((time) => (time + GRACE_MS > now ? [] : this.lacking(time)));
    const drawn = new Set([...this.rows.values()].flatMap((rows) => [...rows.values()].map(methodOf)));
    this.shown = { times, label, series };
    setSeen([this.element, this.legend], true);
    this.onDrawn();
    this.drawLegend(series, lacking.some((names) => names.length > 0), METHODS.filter((method) => drawn.has(method)));
    const highest = Math.max(0, ...times.map((_, i) => series.reduce((sum, { values }) => sum + (values[i] ?? 0), 0)));
    const limits = this.limits.map((limit) => ({ ...limit, value: limit.value / SMALL.kg }));
    drawPlot(this.element, {
      x: { from: now - SPAN_MS, to: now, ticks: (isNarrow) => hours(zone, now, isNarrow ? 6 : 2) },
      // the running interval is not over, and its bar still grows
      bars: times.map((time) => ({
        begin: Math.max(time, now - SPAN_MS), end: Math.min(time + STEP_MS, now), isFaint: time + STEP_MS > now,
      })),
      series, isStacked: true, ...limitLines(limits, highest),
      gaps: lacking.map((names, i) => (names.length ? [label[i], `${NO_DATA}: ${names.join(", ")}`] : null)),
    }, {
      onZoom: (first, last) => location.assign(historyOf(this.facility, times[first], times[last] + STEP_MS)),
      onBar: (i, key) => key !== null && location.assign(key === "others"
        ? historyOf(this.facility, times[i] - HOUR_MS, times[i] + HOUR_MS) : explanationOf(this.facility, key, times[i])),
    });
  }

  /** kg per hour over the whole interval, as the API says it; null where nothing is known. */
  meanRate(row) {
    const kg = row?.[FIGURES[this.figure].kg] ?? null;
    return kg === null || row.share_missing >= 1 ? null : kg / STEP_HOURS;
  }

  /** The sources without data in some of an interval, and in how much of it. */
  lacking(time) {
    return this.facility.sources.flatMap((source) => {
      const row = this.rows.get(source.id).get(time);
      if (this.meanRate(row) === null) return [source.name];
      if (row.share_missing <= GAP) return [];
      return [t("{source} ({share} of the time)", { source: source.name, share: percent(row.share_missing) })];
    });
  }

  drawLegend(series, anyGap, methods) {
    drawLegend(this.legend, [
      ...series.map(({ name, colour: of }) => ({ name, colour: of })),
      ...methods.map(({ mark, word }) => ({ mark, name: word })),
      ...(anyGap ? [{ mark: "gap", name: t("a source without data") }] : []),
    ]);
  }
}

/** In words: what an interval emitted, and what of it was not measured. */
function barText(row, kg, isRunning) {
  if (kg === null) return NO_DATA;
  return [rateText(kg), ...notMeasured(row), ...(isRunning ? [t("so far")] : [])].join(", ");
}

/** The small ones as one series; what each of them emitted says the history. */
const others = (one, label) => ({
  ...one, colour: OTHERS, patterns: one.rows.map((row) => methodOf(row)?.mark ?? ""),
  texts: one.values.map((value, i) => [label[i], `${one.name}: ${value === null ? NO_DATA : rateText(value * SMALL.kg)}`]),
});

/** Where an hour of a source is explained. */
export const explanationOf = (facility, source, time) =>
  `/explain?${new URLSearchParams({ facility: facility.id, source, hour: new Date(Math.floor(time / HOUR_MS) * HOUR_MS).toISOString() })}`;

/** Where a time of a facility is looked at closer. */
const historyOf = ({ id, timezone }, from, to) =>
  `/history?${new URLSearchParams({ facility: id, from: wallOf(from, timezone), to: wallOf(to, timezone) })}`;

const clock = (time, zone) => wallTime(time, zone).slice(11, 16);

/** Every so many hours of the zone's clock, within the last day. */
function hours(zone, now, every) {
  const quarter = HOUR_MS / 4;
  const first = Math.ceil((now - SPAN_MS) / quarter) * quarter;
  return Array.from({ length: SPAN_MS / quarter + 1 }, (_, i) => first + i * quarter)
    .filter((time) => time <= now)
    .map((at) => ({ at, text: clock(at, zone) }))
    .filter(({ text }) => text.endsWith(":00") && Number(text.slice(0, 2)) % every === 0);
}
