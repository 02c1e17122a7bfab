// What a chart is drawn of: SVG of bars, lines and words. All bars of a series that look alike are one
// path, so that a year of twenty sources is some dozens of elements.

const SVG = "http://www.w3.org/2000/svg";

export function shape(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const box = ({ left, right, top, bottom }) => `M${left} ${top}H${right}V${bottom}H${left}z`;

/** Paths of boxes, by series and by what else tells them apart. */
export function bars(layout, prefix) {
  return layout.series.flatMap((series) => {
    const alike = Map.groupBy(series.boxes.filter(Boolean), ({ pattern, isFaint }) => `${pattern} ${isFaint}`);
    return [...alike.values()].flatMap((boxes) => {
      const [{ pattern, isFaint }] = boxes;
      const d = boxes.map(box).join("");
      const faint = isFaint ? " faint" : "";
      const path = shape("path", { d, class: `bars${series.className ? ` ${series.className}` : ""}${faint}` });
      path.style.fill = series.colour;
      return pattern ? [path, shape("path", { d, class: `over${faint}`, fill: `url(#${prefix}-${pattern})` })] : [path];
    });
  });
}

/** Hatched columns of time without data. */
export const gaps = (layout, prefix) =>
  shape("path", { d: layout.gaps.filter(Boolean).map(box).join(""), class: "gaps", fill: `url(#${prefix}-gap)` });

/** What bars are overlaid with that were not measured, and the hatching of time without data. */
export function patternsOf(prefix) {
  const tile = (name, size, ...children) =>
    shape("pattern", { id: `${prefix}-${name}`, width: size, height: size, patternUnits: "userSpaceOnUse" }, ...children);
  return shape("defs", {},
    tile("substituted", 5, shape("circle", { cx: 2.5, cy: 2.5, r: 1.2, class: "dots" })),
    tile("estimated", 6, shape("path", { d: "M0 0L6 6M6 0L0 6", class: "crosses" })),
    tile("expected", 6, shape("path", { d: "M-1 1L1 -1M0 6L6 0M5 7L7 5", class: "stripes" })),
    tile("gap", 6, shape("path", { d: "M-1 1L1 -1M0 6L6 0M5 7L7 5", class: "hatches" })));
}

/** A line through points, broken where nothing is known; `steps` has it level over each one's place. */
export function line({ points, colour, dash, steps, hasDots }, x, y) {
  let d = "";
  let isBroken = true;
  for (const { x: place, y: value } of points) {
    if (value !== null) {
      const command = isBroken ? "M" : "L";
      d += steps
        ? `${command}${x(place - 0.5)} ${y(value)}H${x(place + 0.5)}`
        : `${command}${x(place)} ${y(value)}`;
    }
    isBroken = value === null;
  }
  const path = shape("path", { d, class: `line ${dash ?? ""}` });
  path.style.stroke = colour;
  const dots = hasDots ? points.filter(({ y: value }) => value !== null).map((point) => dot(point, colour, x, y)) : [];
  return [path, ...dots];
}

function dot(point, colour, x, y) {
  const circle = shape("circle", { cx: x(point.x), cy: y(point.y), r: 2.5 });
  circle.style.fill = colour;
  return circle;
}

/** How far a value may be off, as a line with a bar at each end. */
export function whisker({ x: place, low, high }, x, y) {
  const [at, top, bottom] = [x(place), y(high), y(low)];
  return shape("path", { d: `M${at - 4} ${top}H${at + 4}M${at} ${top}V${bottom}M${at - 4} ${bottom}H${at + 4}`, class: "whisker" });
}

/** A triangle that points at its place from above. */
export const mark = ({ x: place }, x, top) =>
  shape("path", { d: `M${x(place) - 6} ${top - 5}h12l-6 10z`, class: "mark" });

/** A limit over the whole width, with its name above it. */
export function limit({ id, value, severity }, { left, right, y }) {
  const words = shape("text", { x: left + 4, y: y(value) - 4 });
  words.textContent = id;
  const group = shape("g", { class: "limit-line" }, shape("path", { d: `M${left} ${y(value)}H${right}` }), words);
  group.dataset.severity = severity;
  group.dataset.limit = id;
  return group;
}

/** Numbers of the upright axis, each with a line. */
export const rows = ({ left, right, numbers, y }) => numbers.map(({ value, text }) => {
  const words = shape("text", { x: left - 8, y: y(value), dy: "0.35em", "text-anchor": "end" });
  words.textContent = text;
  return shape("g", { class: "ytick" }, shape("path", { d: `M${left} ${Math.round(y(value)) + 0.5}H${right}` }), words);
});

/** Words of the level axis, in lines below each other. */
export const columns = ({ bottom, ticks, x, lineHeight }) => ticks.map(({ at, text }) => {
  const words = shape("text", { y: bottom + 8, "text-anchor": "middle" });
  words.append(...text.split("\n").map((part) => {
    const tspan = shape("tspan", { x: x(at), dy: lineHeight });
    tspan.textContent = part;
    return tspan;
  }));
  return shape("g", { class: "xtick" }, shape("path", { d: `M${Math.round(x(at)) + 0.5} ${bottom}v5` }), words);
});
