// Where in a facility file a caret stands, told from the text before it, and what may stand there by the schema.

/** So far back a part that is written in braces may begin. */
const FARTHEST = 4_000;
const LINE = /^(\s*(?:- +)*)([\w-]+):/;

/**
 * `{ path, key, word, stated }`: the keys that lead to the part, the key whose value is written (null:
 * a key is), what is there of the word, and what the part states already. Null: nothing to complete.
 */
export function contextAt(text, caret) {
  const before = text.slice(0, caret);
  const open = openBracket(before);
  if (open !== null && before[open] === "[") return null;
  if (open !== null) return inBraces(before, open);
  const lines = before.split("\n");
  const row = lines.length - 1;
  const value = /^(\s*(?:- +)*)([\w-]+): +([\w.-]*)$/.exec(lines[row]);
  const word = /^(\s*(?:- +)*)([\w-]*)$/.exec(lines[row]);
  if (value === null && word === null) return null;
  const [, indent, first, rest] = value ?? word;
  const { path, stated } = above(lines, row, indent.length, indent.includes("-"));
  return value === null ? { path, key: null, word: first, stated } : { path, key: first, word: rest, stated };
}

/** Keys that may stand there, or values, each with its help. */
export function proposals(schema, { path, key, word, stated }) {
  const parts = reached(schema, path).filter((part) => fits(part, stated));
  const offers = key === null
    ? parts.flatMap(({ properties = {} }) => Object.entries(properties))
      .filter(([name]) => !stated.has(name))
      .map(([name, { description = "" }]) => ({ text: name, inserted: `${name}: `, help: description }))
    : parts.flatMap(({ properties = {} }) => (properties[key] ? alternatives(schema, properties[key]) : []))
      .flatMap(values).map((value) => ({ text: value, inserted: value, help: "" }));
  const unique = new Map(offers.map((offer) => [offer.text, offer]));
  return [...unique.values()].filter(({ text }) => text.startsWith(word) && text !== word);
}

function values({ enum: choices, const: only, type }) {
  if (choices) return choices.map(String);
  if (only !== undefined) return [String(only)];
  return type === "boolean" ? ["true", "false"] : [];
}

/** The kinds of part that a path leads to; entries of lists stand for their list. */
function reached(schema, path) {
  let parts = [schema];
  for (const step of path) {
    parts = parts.flatMap(({ properties = {} }) => (properties[step] ? alternatives(schema, properties[step]) : []))
      .flatMap((part) => (part.items ? alternatives(schema, part.items) : [part]));
  }
  return parts;
}

/** The kinds of value that a part of the schema allows. */
export function alternatives(schema, part) {
  if (part.$ref) return alternatives(schema, schema.$defs[part.$ref.split("/").at(-1)]);
  const options = part.anyOf ?? part.oneOf;
  // beside properties they only say which of them have to be stated together
  return options && part.properties === undefined ? options.flatMap((option) => alternatives(schema, option)) : [part];
}

/** Whether a part may be of this kind: a key such as `method` may say which one it is. */
const fits = ({ properties = {} }, stated) =>
  [...stated].every(([name, value]) => properties[name]?.const === undefined || properties[name].const === value);

/** The place of the innermost bracket that is still open; null: none is. */
function openBracket(before) {
  let closed = 0;
  for (let at = before.length - 1; at >= Math.max(0, before.length - FARTHEST); at -= 1) {
    if ("}]".includes(before[at])) closed += 1;
    if ("{[".includes(before[at]) && (closed -= 1) < 0) return at;
  }
  return null;
}

function inBraces(before, open) {
  const entry = /(?:^|,)\s*(?:([\w-]+):\s*)?([\w.-]*)$/.exec(before.slice(open + 1));
  const path = pathOf(before, open);
  if (entry === null || path === null) return null;
  const stated = new Map([...before.slice(open + 1).matchAll(/([\w-]+):\s*([\w.-]+)\s*(?=,)/g)].map(([, name, value]) => [name, value]));
  return { path, key: entry[1] ?? null, word: entry[2], stated };
}

/** The keys that lead to what begins with the bracket at `open`. */
function pathOf(before, open) {
  const head = before.slice(0, open);
  const named = /([\w-]+):\s*$/.exec(head);
  if (named) {
    const start = head.slice(0, named.index);
    const outer = openBracket(start);
    if (outer !== null) return append(pathOf(before, outer), named[1]);
    const lines = start.split("\n");
    return [...above(lines, lines.length - 1, lines.at(-1).length, false).path, named[1]];
  }
  const outer = openBracket(head);
  if (outer !== null) return pathOf(before, outer);
  const lines = head.split("\n");
  return /^\s*(?:- +)+$/.test(lines.at(-1)) ? above(lines, lines.length - 1, lines.at(-1).length, true).path : null;
}

const append = (path, key) => (path === null ? null : [...path, key]);

/** By indentation: the keys that lead to a column of a row, and what its part states before it. */
function above(lines, row, column, begins) {
  const path = [];
  const stated = new Map();
  let [limit, isOwn] = [column, !begins];
  for (let i = row - 1; i >= 0 && limit > 0; i -= 1) {
    const found = LINE.exec(lines[i]);
    if (found === null) continue;
    const [, indent, key] = found;
    if (indent.length < limit) {
      path.unshift(key);
      limit = indent.length;
      isOwn = false;
    } else if (isOwn && indent.length === column) {
      stated.set(key, lines[i].slice(found[0].length).trim());
      isOwn = !indent.includes("-");
    }
  }
  if (column === 0) for (const line of lines.slice(0, row)) if (LINE.exec(line)?.[1] === "") stated.set(LINE.exec(line)[2], "");
  return { path, stated };
}
