// How a text begins, and a table file to begin with that names its columns.

const BEGIN_BYTES = 8192;
const LINES = 8;
const SEPARATORS = [";", "\t", ","];

/** The first lines of a text; "" of what is none, such as a workbook or what is packed. */
export async function beginning(file) {
  if (!/\.(csv|txt|tsv|dat)$/i.test(file.name)) return "";
  const text = new TextDecoder().decode(await file.slice(0, BEGIN_BYTES).arrayBuffer());
  return text.includes("\0") ? "" : text.split(/\r?\n/).slice(0, LINES).join("\n");
}

/** A table file with the headers of the line that has most cells; what they mean is to be filled in. */
export function draftOf(begins, holds) {
  const lines = begins.split("\n");
  const count = (line, separator) => line.split(separator).length;
  const separator = SEPARATORS.reduce((best, one) => (Math.max(...lines.map((l) => count(l, one))) > Math.max(...lines.map((l) => count(l, best))) ? one : best));
  const skip = lines.findIndex((line) => count(line, separator) === Math.max(...lines.map((l) => count(l, separator))));
  const headers = lines[skip].split(separator).map((name) => name.trim().replace(/^"|"$/g, "").replace(/^\ufeff/, ""));
  const [time, ...values] = headers.map((name) => JSON.stringify(name));
  const top = [...(skip ? [`skip: ${skip}`] : []), `separator: ${JSON.stringify(separator)}`];
  return (holds === "activities"
    ? [...top, "entries:", ...[values[0] ?? time].map((name) => `  - {channel: device.channel, id: ${time}, from: ${time}, amount: ${name}}`)]
    : [...top, `time: {column: ${time}, timezone: ${Intl.DateTimeFormat().resolvedOptions().timeZone}}`, "values:",
      ...values.map((name) => `  - {channel: device.channel, column: ${name}}`)]
  ).join("\n") + "\n";
}
