// Which periods a report can be asked of: those that are over, and the one that runs.

/** How many of each kind are offered. */
const OFFERED = { month: 25, quarter: 13, year: 8 };
const MONTHS = { month: 1, quarter: 3, year: 12 };

/** What a period is, by how it is written; null: it is none. */
export function kindOf(period) {
  if (/^\d{4}-(0[1-9]|1[0-2])$/.test(period)) return "month";
  if (/^\d{4}-Q[1-4]$/.test(period)) return "quarter";
  return /^\d{4}$/.test(period) ? "year" : null;
}

/** The periods of a kind, the last one that is over first, then those before it, and the one that runs at the end. */
export function periods(kind, now = new Date()) {
  const length = MONTHS[kind];
  const running = Math.floor((12 * now.getFullYear() + now.getMonth()) / length);
  const all = Array.from({ length: OFFERED[kind] }, (_, back) => written(kind, (running - back) * length));
  return [...all.slice(1), all[0]];
}

function written(kind, month) {
  const year = Math.floor(month / 12);
  const rest = month % 12;
  if (kind === "year") return `${year}`;
  if (kind === "quarter") return `${year}-Q${rest / 3 + 1}`;
  return `${year}-${String(rest + 1).padStart(2, "0")}`;
}
