// The tables of a report, as its body has them: nothing is rounded but what is shown of it.

import { node, sized } from "./dom.js";
import { percent, wallTime } from "./format.js";
import { locale, plural, t } from "./words.js";

const UNKNOWN = "–";
/** Longer tables are folded on a screen, the largest rows first where they have masses; paper has all of them. */
const SHOWN_ROWS = 20;
const NUMBERS = new Set(["kg", "share", "number"]);
const grams = new Intl.NumberFormat(locale, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const plain = new Intl.NumberFormat(locale, { maximumFractionDigits: 6 });
/** Of what is less than one, such as a factor for each joule, six decimals might say zero. */
const small = new Intl.NumberFormat(locale, { maximumSignificantDigits: 6 });

const SHOWN = {
  kg: (kg) => grams.format(kg),
  share: percent,
  number: (number) => (Math.abs(number) < 1 ? small : plain).format(number),
  text: String,
  code: t,
  instant: (text, zone) => wallTime(new Date(text), zone).slice(0, 16),
};

const FIGURES = [
  ["co2_kg", t("CO2 (kg)"), "kg"],
  ["co2e_kg", t("CO2e (kg)"), "kg"],
  ["co2_biogenic_kg", t("Biogenic CO2 (kg)"), "kg"],
  ["co2_market_kg", t("CO2, market-based (kg)"), "kg"],
  ["co2_low_kg", t("CO2, at least (kg)"), "kg"],
  ["co2_high_kg", t("CO2, at most (kg)"), "kg"],
  ["coverage", t("Coverage"), "share"],
  ["share_measured", t("Measured"), "share"],
  ["share_substituted", t("Substituted"), "share"],
  ["share_estimated", t("Estimated"), "share"],
  ["share_missing", t("Missing"), "share"],
  ["state", t("State"), "code"],
];
const FACILITY = ["facility", t("Facility"), "text"];
const SOURCE = ["source", t("Source"), "text"];

const TABLES = {
  totals: { title: t("Totals"), columns: [["facility", t("Facility"), "text", t("all")], ["scope", t("Scope"), "text", t("all")], ["sources", t("Sources"), "number"], ...FIGURES] },
  sources: {
    title: t("Sources"),
    columns: [FACILITY, ["name", t("Source"), "text"], ["scope", t("Scope"), "text"], ["standing", t("In totals"), "code"], ...FIGURES,
      ["activity", t("Activity"), "number"], ["activity_unit", t("Unit"), "text"]],
  },
  months: { title: t("Months"), columns: [FACILITY, ["month", t("Month"), "text"], ...FIGURES] },
  removals: {
    title: t("Removals and credits"),
    columns: [FACILITY, ["id", t("Entry"), "text"], ["origin", t("Origin"), "text"], ["kind", t("Kind"), "text"], ["kg", t("Amount (kg)"), "kg"], ["coverage", t("Coverage"), "share"], ["document", t("Document"), "text"]],
  },
  rules: {
    title: t("By the rules"),
    columns: [FACILITY, SOURCE, ["period", t("Period"), "text"], ["reporting_zone", t("Time"), "text"], ["value", t("Reported"), "number"], ["unit", t("Unit"), "text"],
      ["operating_h", t("Operating hours"), "number"], ["state", t("State"), "code"], ["reason", t("Reason"), "text"], ["citation", t("Rule"), "text"]],
  },
  restatements: {
    title: t("Restatements"),
    columns: [FACILITY, SOURCE, ["reason", t("Reason"), "text"], ["cause", t("Cause"), "text"], ["changes", t("Changes"), "number"], ["first_hour", t("First hour"), "instant"],
      ["last_hour", t("Last hour"), "instant"], ["last_known_at", t("Last known"), "instant"], ["difference_kg", t("CO2, new less old (kg)"), "kg"]],
  },
  methods: {
    title: t("Methods"),
    columns: [FACILITY, SOURCE, ["method", t("Method"), "text"], ["equation", t("Equation"), "text"], ["factor", t("Factor"), "text"], ["market_factor", t("Market-based factor"), "text"],
      ["validity", t("Validity"), "text"], ["substitution", t("Substitution"), "text"], ["channels", t("Channels"), "text"], ["citation", t("Rule"), "text"]],
  },
  factors: {
    title: t("Factors"),
    columns: [FACILITY, ["id", t("Factor"), "text"], ["sources", t("Sources"), "text"], ["unit", t("Per unit"), "text"], ["co2_kg", t("kg CO2"), "number"], ["co2e_kg", t("kg CO2e"), "number"],
      ["uncertainty_percent", t("Uncertainty (%)"), "number"], ["valid_from", t("Valid from"), "text"], ["valid_to", t("Valid until before"), "text"], ["citation", t("Citation"), "text"]],
  },
};

/** A section for each table that has rows; `csvOf`: where a spreadsheet gets the same. */
export function reportTables(report, zone, csvOf) {
  return Object.entries(TABLES).filter(([key]) => report[key].length > 0).map(([key, { title, columns }]) => {
    const head = node("tr", {}, ...columns.map(([, name, kind]) =>
      node("th", { scope: "col", textContent: name, className: NUMBERS.has(kind) ? "" : "words" })));
    const rows = ordered(key, report[key]);
    const body = rows.map((row) => node("tr", {}, ...columns.map((column) => cell(row, column, zone))));
    const scroll = node("div", { className: "scroll", tabIndex: 0 }, node("table", {}, node("thead", {}, head), node("tbody", {}, ...body)));
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", title);
    const csv = node("a", { href: csvOf(key), textContent: "CSV", download: "" });
    csv.setAttribute("aria-label", t("{table} as CSV", { table: title }));
    const section = node("section", { className: "card", id: `table-${key}` }, node("h2", {}, title, " ", csv), scroll);
    if (rows.length > SHOWN_ROWS) fold(section, key, rows);
    return section;
  });
}

/** Of many sources the largest are looked for; nothing is known of the last ones. */
const ordered = (key, rows) => key !== "sources" || rows.length <= SHOWN_ROWS ? rows
  : [...rows].sort((one, other) => (other.co2_kg ?? -Infinity) - (one.co2_kg ?? -Infinity) || 0);

/** Show the first rows of a table on a screen, and the others on demand. */
function fold(section, key, rows) {
  const others = rows.length - SHOWN_ROWS;
  const words = key === "sources"
    ? plural("Show {n} smaller source", "Show {n} smaller sources", others)
    : plural("Show {n} more row", "Show {n} more rows", others);
  const button = node("button", { type: "button", className: "plain fold", ariaExpanded: "false", textContent: words });
  button.onclick = () => {
    const isFolded = section.classList.toggle("folded");
    button.ariaExpanded = String(!isFolded);
    button.textContent = isFolded ? words : t("Show fewer");
  };
  section.classList.add("folded");
  section.append(button);
}

function cell(row, [key, name, kind, otherwise = UNKNOWN], zone) {
  const value = row[key];
  const element = node("td", { textContent: value === null ? otherwise : SHOWN[kind](value, zone) });
  element.dataset.label = name;
  element.dataset.key = key;
  if (!NUMBERS.has(kind)) element.className = "words";
  return sized(element);
}
