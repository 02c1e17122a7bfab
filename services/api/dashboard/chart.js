// The last 24 hours: bars of five minutes without a space between, stacked by source. A bar is what
// the API says of its interval, never scaled up to what might have been: time without data leaves a
// hatched column behind, for a gap is not zero, and what was not measured has a pattern.

import { get } from "./api.js";
import { FIGURES } from "./figures.js";
import { NO_DATA, chartLocale, percent, rateText, wallTime } from "./format.js";
import { limitLines } from "./limits.js";
import { SMALL } from "./masses.js";
import { GAP, METHODS, hatching, methodOf, notMeasured, patterns } from "./methods.js";
import { colour } from "./sources.js";
import { t } from "./words.js";

const STEP_MS = 5 * 60_000;
const SPAN_MS = 24 * 3_600_000;
/** Readings that come late change buckets that were drawn long ago. */
const REFRESH_ALL_MS = 5 * 60_000;
const REFRESH_MS = 4_000;
const STEP_HOURS = STEP_MS / 3_600_000;
/** Younger buckets are not called gaps: their readings are on the way. */
const GRACE_MS = 2 * STEP_MS;
/** A narrower chart has fewer and shorter labels. */
const NARROW_PX = 600;

let library;

/** Load the chart library, whose address the page names. */
export function loadLibrary() {
  library ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = document.querySelector("script[data-chart-library]").dataset.chartLibrary;
    script.onload = () => {
      const names = chartLocale();
      window.Plotly.register(names);
      window.Plotly.setPlotConfig({ locale: names.name });
      done(window.Plotly);
    };
    script.onerror = () => failed(new Error("the chart library cannot be loaded"));
    document.head.append(script);
  });
  return library;
}

/** What all charts have in common; `ink` gives a colour of the page by its name. */
export const ground = (ink, family, isNarrow) => ({
  paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
  font: { family, size: isNarrow ? 11 : 13, color: ink("--quiet") },
  hoverlabel: { bgcolor: ink("--card"), bordercolor: ink("--line"), font: { color: ink("--ink") }, align: "left" },
});

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
    this.readAllAt = 0;
    this.readAt = 0;
    this.busy = false;
    for (const query of ["(prefers-color-scheme: dark)", `(max-width: ${NARROW_PX + 100}px)`]) {
      matchMedia(query).addEventListener("change", () => this.draw());
    }
  }

  show(facility) {
    this.facility = facility;
    this.rows = new Map(facility.sources.map((source) => [source.id, new Map()]));
    this.readAllAt = 0;
    this.readAt = 0;
    this.drawLegend();
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
      });
      if (facility !== this.facility) return;
      if (all) this.readAllAt = now;
      for (const row of rows) this.rows.get(row.source)?.set(Date.parse(row.time), row);
      for (const ofSource of this.rows.values()) {
        for (const time of ofSource.keys()) if (time < now - SPAN_MS - STEP_MS) ofSource.delete(time);
      }
      await this.draw();
    } finally {
      this.busy = false;
    }
  }

  async draw() {
    if (!this.facility) return;
    const Plotly = await loadLibrary();
    const now = Date.now();
    const style = getComputedStyle(document.documentElement);
    const ink = (name) => style.getPropertyValue(name).trim();
    const zone = this.facility.timezone;
    const times = [...new Set([...this.rows.values()].flatMap((m) => [...m.keys()]))].sort((a, b) => a - b);
    // wall time at one offset, today's: a clock that is set back must not draw an hour twice
    const offset = Date.parse(`${wallTime(now, zone).replace(" ", "T")}Z`) - Math.floor(now / 1000) * 1000;
    const axis = (time) => new Date(time + offset).toISOString().slice(0, 19);
    const x = times.map((time) => axis(time + STEP_MS / 2));
    const label = times.map(
      (time) => `${wallTime(time, zone).slice(11, 16)} – ${wallTime(time + STEP_MS, zone).slice(11, 16)}`,
    );
    const traces = this.facility.sources.map((source, index) => {
      const rows = times.map((time) => this.rows.get(source.id).get(time));
      const rates = rows.map((row) => this.meanRate(row));
      const y = rates.map((kg) => (kg === null ? null : kg / SMALL.kg));
      return {
        type: "bar", name: source.name, x, y, width: STEP_MS * 1.04,
        marker: {
          color: ink(`--source-${index % 8}`), line: { width: 0 },
          // the running interval is not over, and its bar still grows
          opacity: times.map((time) => (time + STEP_MS > now ? 0.5 : 1)),
          pattern: patterns(rows, ink),
        },
        customdata: rates.map((kg, i) => [label[i], barText(rows[i], kg, times[i] + STEP_MS > now)]),
        hovertemplate: "%{customdata[0]}<br>%{fullData.name}: <b>%{customdata[1]}</b><extra></extra>",
      };
    });
    const lacking = times.map((time) => (time + GRACE_MS > now ? [] : this.lacking(time)));
    traces.unshift({
      type: "bar", name: NO_DATA, x, y: lacking.map((names) => (names.length ? 1 : null)), yaxis: "y2",
      width: STEP_MS * 1.04,
      marker: hatching(ink),
      customdata: lacking.map((names, i) => [label[i], names.join(", ")]),
      hovertemplate: `%{customdata[0]}<br>${NO_DATA}: <b>%{customdata[1]}</b><extra></extra>`,
    });
    const drawn = new Set([...this.rows.values()].flatMap((m) => [...m.values()].map(methodOf)));
    this.drawLegend(lacking.some((names) => names.length > 0), METHODS.filter((method) => drawn.has(method)));
    const sums = times.map((_, i) => traces.slice(1).reduce((sum, { y }) => sum + (y[i] ?? 0), 0));
    const limits = this.limits.map((limit) => ({ ...limit, value: limit.value / SMALL.kg }));
    const lines = limitLines(limits, Math.max(0, ...sums), ink);
    const narrow = this.element.clientWidth < NARROW_PX;
    // below ten, whole numbers would name two lines alike, and "~s" would speak of thousandths
    const isSmall = (lines.range?.[1] ?? Math.max(0, ...sums)) < 10;
    await Plotly.react(this.element, traces, {
      barmode: "stack", bargap: 0, showlegend: false, dragmode: false, hovermode: "closest",
      margin: { l: narrow ? 44 : 58, r: 10, t: 10, b: 34 },
      ...ground(ink, style.fontFamily, narrow),
      xaxis: {
        type: "date", range: [axis(now - SPAN_MS), axis(now)], fixedrange: true,
        showgrid: false, tickformat: "%H:%M", ticks: "outside", ticklen: 5, tickcolor: ink("--line"),
        linecolor: ink("--line"), dtick: (narrow ? 6 : 2) * 3_600_000, hoverformat: "%H:%M",
      },
      shapes: lines.shapes, annotations: lines.annotations,
      yaxis: {
        automargin: true,
        ...(lines.range ? { range: lines.range, autorange: false } : { autorange: true }),
        fixedrange: true, rangemode: "tozero", gridcolor: ink("--line"), zeroline: false,
        tickformat: isSmall ? ",.3~r" : narrow ? "~s" : ",.0f", nticks: 6,
      },
      yaxis2: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
    }, { displayModeBar: false, responsive: true });
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

  drawLegend(anyGap = false, methods = []) {
    const items = this.facility.sources.map((source, index) => {
      const item = document.createElement("li");
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.background = colour(index);
      item.append(swatch, source.name);
      return item;
    });
    const marks = methods.map(({ mark, word }) => [mark, word]);
    if (anyGap) marks.push(["gap", t("a source without data")]);
    for (const [mark, words] of marks) {
      const item = document.createElement("li");
      const swatch = document.createElement("span");
      swatch.className = `swatch ${mark}`;
      item.append(swatch, words);
      items.push(item);
    }
    this.legend.replaceChildren(...items);
  }
}

/** In words: what an interval emitted, and what of it was not measured. */
function barText(row, kg, isRunning) {
  if (kg === null) return NO_DATA;
  return [rateText(kg), ...notMeasured(row), ...(isRunning ? [t("so far")] : [])].join(", ");
}
