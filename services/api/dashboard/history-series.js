// The series of a page of history: rows of `/v1/emissions` as bars by source, scope or gas. A value is
// what the API says of its interval, never scaled up, and null where nothing is known.

import { FIGURES } from "./figures.js";
import { plural, t } from "./words.js";

const FIELDS = [
  "time", "co2_kg", "co2e_kg", "co2_market_kg", "co2_biogenic_kg", "co2_low_kg", "co2_high_kg",
  "share_measured", "share_substituted", "share_estimated", "share_missing", "state",
].join(",");
/** So many sources have bars of their own; the smaller ones are added up. */
export const LARGEST = 7;

/** How a range can be split, and what to ask for it. */
export const SPLITS = {
  source: { name: t("source"), asked: { group_by: "none", fields: `source,source_name,scope,counts,${FIELDS}` } },
  scope: { name: t("scope"), asked: { group_by: "scope", fields: `scope,${FIELDS}` } },
  gas: { name: t("gas"), asked: null },
};
export const TOTAL = { group_by: "facility", fields: FIELDS };

const ofFigure = (row, figure) => (row === undefined || row.share_missing >= 1 ? null : row[FIGURES[figure].kg]);

/** Series of bars, sources by `order` of their ids, each `{ key, name, rows, values }` by the times of `total`; gases are `lines`. */
export function seriesOf(split, rows, total, figure, order) {
  const times = total.map(({ time }) => time);
  if (split === "gas") {
    return Object.keys(FIGURES).map((gas) => ({
      key: gas, name: FIGURES[gas].name, rows: total, values: total.map((row) => ofFigure(row, gas)),
    })).filter(({ key, values }) => key === "co2" || values.some((kg) => kg));
  }
  const grouped = new Map();
  for (const row of rows) {
    if (row.counts === false) continue;
    const key = split === "scope" ? `scope ${row.scope}` : row.source;
    const name = split === "scope" ? t("scope {scope}", { scope: row.scope }) : row.source_name ?? key;
    if (!grouped.has(key)) grouped.set(key, { key, name, byTime: new Map() });
    grouped.get(key).byTime.set(row.time, row);
  }
  const series = [...grouped.values()].map(({ key, name, byTime }) => {
    const ordered = times.map((time) => byTime.get(time));
    return { key, name, rows: ordered, values: ordered.map((row) => ofFigure(row, figure)) };
  });
  // in the order of the file, so that a source has the colour that it has on other pages
  const place = (key) => (order.includes(key) ? order.indexOf(key) : order.length);
  if (split !== "source") return withOthers(series);
  return withOthers(series.map((one) => ({ ...one, place: place(one.key) })).sort((a, b) => a.place - b.place));
}

/** The largest by themselves, in their order, and the rest as one. */
export function withOthers(series) {
  if (series.length <= LARGEST + 1) return series;
  const bySize = [...series].sort((a, b) => sum(b.values) - sum(a.values));
  const largest = new Set(bySize.slice(0, LARGEST));
  const others = series.filter((one) => !largest.has(one));
  const name = plural("{n} other", "{n} others", others.length);
  return [...series.filter((one) => largest.has(one)), {
    key: "others", name,
    rows: others[0].rows.map((_, i) => joined(others.map(({ rows }) => rows[i]))),
    values: others[0].values.map((_, i) => sumKnown(others.map(({ values }) => values[i]))),
  }];
}

/** How the rows of one time came about, as one: shares are means, for all have the same length. */
function joined(rows) {
  const known = rows.filter((row) => row !== undefined);
  if (known.length === 0) return undefined;
  const mean = (key) => known.reduce((all, row) => all + row[key], 0) / known.length;
  return {
    share_measured: mean("share_measured"), share_substituted: mean("share_substituted"),
    share_estimated: mean("share_estimated"), share_missing: mean("share_missing"),
  };
}

const sum = (values) => values.reduce((all, kg) => all + (kg ?? 0), 0);

function sumKnown(values) {
  const known = values.filter((kg) => kg !== null);
  return known.length ? sum(known) : null;
}

/**
 * The whole range as one total: kg (null: nothing is known), and how much of its time was measured,
 * substituted, estimated or is missing; `ends` has where each row's time ends, at most now.
 */
export function wholeOf(total, figure, ends) {
  const lengths = total.map(({ time }, i) => Math.max(0, ends[i] - Date.parse(time)));
  const all = lengths.reduce((sum, length) => sum + length, 0);
  const share = (key) => (all === 0 ? 0 : total.reduce((sum, row, i) => sum + row[key] * lengths[i], 0) / all);
  return {
    kg: sumKnown(total.map((row) => ofFigure(row, figure))),
    substituted: share("share_substituted"), estimated: share("share_estimated"),
    missing: all === 0 ? 1 : share("share_missing"),
    isProvisional: total.some(({ state }) => state === "provisional"),
  };
}
