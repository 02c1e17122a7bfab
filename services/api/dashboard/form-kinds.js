// What may be stated at a place of a facility file, told from the JSON Schema: nothing here knows a key.

import { alternatives } from "./file-context.js";

const isComposite = ({ type }) => type === "object" || type === "array";

/**
 * What a part of the schema lets a value be: `{ scalars, composites }`, each a list of schemas; that
 * it need not be stated is no kind of value.
 */
export function kinds(schema, part) {
  const all = alternatives(schema, part).filter(({ type }) => type !== "null");
  return { scalars: all.filter((kind) => !isComposite(kind)), composites: all.filter(isComposite) };
}

/** Which of the composite kinds a value is: by its shape, and by keys such as `method` that say it. */
export function kindOf(composites, value) {
  const shape = Array.isArray(value) ? "array" : "object";
  const fitting = composites.filter(({ type }) => type === shape);
  return fitting.find(({ properties = {} }) =>
    Object.entries(properties).every(([key, { const: only }]) => only === undefined || value[key] === only)) ?? fitting[0];
}

/** Keys by which kinds are told apart, each with the values that choose one. */
export function deciding(composites) {
  const choices = new Map();
  for (const { properties = {} } of composites) {
    for (const [key, { const: only }] of Object.entries(properties)) {
      if (only !== undefined) choices.set(key, [...(choices.get(key) ?? []), only]);
    }
  }
  return choices;
}

/** All that a value may be where nothing else is allowed; null: anything of its type. */
export function choicesOf(scalars) {
  const values = scalars.map(({ enum: choices, const: only, type }) =>
    choices ?? (only !== undefined ? [only] : type === "boolean" ? [true, false] : null));
  return scalars.length === 0 || values.includes(null) ? null : values.flat();
}

export const takesNumbers = (scalars) => scalars.some(({ type }) => type === "number" || type === "integer");
export const takesTexts = (scalars) => scalars.some(({ type, enum: choices }) => type === "string" && !choices);

/** A value as somebody typed it; undefined: none. */
export function typed(scalars, words) {
  if (words === "") return undefined;
  const choice = (choicesOf(scalars) ?? scalars.flatMap(({ enum: choices = [] }) => choices))
    .find((value) => String(value) === words);
  if (choice !== undefined) return choice;
  return takesNumbers(scalars) && words.trim() !== "" && Number.isFinite(Number(words)) ? Number(words) : words;
}

/** What an entry or part begins as before anything of it is stated. */
export function beginning({ scalars, composites }) {
  if (composites.length === 0) return choicesOf(scalars)?.[0] ?? "";
  if (composites[0].type === "array") return [];
  const [decided] = deciding(composites);
  return decided ? { [decided[0]]: decided[1][0] } : {};
}

const isRow = (kind) => kind?.type === "array" && kind.prefixItems !== undefined;

/**
 * How a composite is stated: in "fields" with fixed keys, as a "list", a "row" or "table" of values, or as a
 * "mapping" of free keys; "text": only in the text.
 */
export function shapeOf(kind) {
  const { type, properties, items } = kind;
  if (isRow(kind)) return "row";
  if (type !== "array") return properties !== undefined ? "fields" : valuesOf(kind) ? "mapping" : "text";
  if (isRow(items)) return "table";
  return items !== undefined && Object.keys(items).length > 0 && items.type !== "array" ? "list" : "text";
}

/** What the values of a mapping of free keys may be; null: nothing is said of them. */
export function valuesOf({ additionalProperties, patternProperties = {} }) {
  const [values] = [additionalProperties, ...Object.values(patternProperties)].filter((schema) => typeof schema === "object");
  return values ?? null;
}

/** Rows of values as lines of words. */
export const linesOf = (rows) => rows.map((row) => row.join("  ")).join("\n");

/** Lines of words, as somebody types or pastes them, as rows of values; what is no number stays a text. */
export function rowsOf(lines) {
  return lines.split("\n").map((line) => line.trim()).filter(Boolean).map((line) =>
    line.split(/[\s;,]+/).map((word) => (Number.isFinite(Number(word)) ? Number(word) : word)));
}

/** A step of a JSON pointer (RFC 6901). */
export const step = (key) => `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`;

/** What stands at a JSON pointer; undefined: nothing. */
export function valueAt(value, path) {
  return path.split("/").slice(1).reduce(
    (node, token) => (node === null || node === undefined ? undefined : node[token.replaceAll("~1", "/").replaceAll("~0", "~")]), value);
}
