// A chart: bars, lines, limits and marks over one level axis, drawn as SVG. Colours are those of the
// page, so that a change of its scheme needs no drawing.
//
// What is shown:
//   x        { from, to, ticks(isNarrow) }: numbers, and words `{ at, text }` at some of them
//   y        { suffix }: what follows each number of the upright axis
//   top      where the upright axis ends, if not a little above the highest value
//   bars     [{ begin, end, isFaint }]: where bars stand on the level axis
//   series   [{ key, name, colour, values, texts, patterns }]: of each bar a value or null, lines of
//            words for whoever points at it, and "substituted", "estimated", "expected" or ""
//   isStacked  whether series stand on each other; if not, beside each other
//   gaps     of each bar lines of words about what is not known of its time, or null
//   lines    [{ name, colour, dash, steps, hasDots, points: [{ x, y, text }] }]
//   whiskers [{ x, low, high }]
//   limits   [{ id, value, severity }]
//   marks    [{ x, text }]

import { layoutOf } from "./plot-layout.js";
import { followPointer } from "./plot-pointer.js";
import * as shapes from "./plot-shapes.js";

/** A narrower chart has fewer and shorter words. */
const NARROW_PX = 600;

let number = 0;
const measuring = document.createElement("canvas").getContext("2d");

/**
 * Draw `shown` into `element`, and again whenever its size changes. What is drawn stays with the
 * element as its `plot`: { shown, layout, handlers }.
 */
export function drawPlot(element, shown, handlers = {}) {
  if (!element.plot) begin(element);
  Object.assign(element.plot, { shown, handlers });
  element.classList.toggle("zooms", Boolean(handlers.onZoom));
  render(element);
}

function begin(element) {
  const plot = { prefix: `plot-${(number += 1)}` };
  element.plot = plot;
  element.replaceChildren();
  element.classList.add("drawn");
  followPointer(element, () => plot);
  new ResizeObserver(() => {
    if (element.clientWidth !== plot.width || element.clientHeight !== plot.height) render(element);
  }).observe(element);
}

function render(element) {
  const { plot } = element;
  const { shown, prefix } = plot;
  plot.width = element.clientWidth;
  plot.height = element.clientHeight;
  // of an element that is not shown nothing can be seen; it is drawn when it gets a size
  if (plot.width === 0 || plot.height === 0) return;
  const layout = layoutOf(shown, {
    width: plot.width, height: plot.height, isNarrow: plot.width < NARROW_PX, font: fontOf(element),
  });
  plot.layout = layout;
  const { left, right, top, bottom, x, y } = layout;
  const zero = Math.round(y(0)) + 0.5;
  const svg = shapes.shape("svg", { class: "picture", width: plot.width, height: plot.height, "aria-hidden": "true" },
    shapes.patternsOf(prefix),
    shapes.shape("rect", { class: "ground", x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) }),
    shapes.gaps(layout, prefix),
    ...shapes.rows(layout),
    ...shapes.bars(layout, prefix),
    shapes.shape("path", { class: "zero", d: `M${left} ${zero}H${right}` }),
    ...(shown.lines ?? []).flatMap((line) => shapes.line(line, x, y)),
    ...(shown.whiskers ?? []).map((whisker) => shapes.whisker(whisker, x, y)),
    ...(shown.limits ?? []).map((limit) => shapes.limit(limit, layout)),
    ...(shown.marks ?? []).map((mark) => shapes.mark(mark, x, top)),
    ...shapes.columns(layout));
  const before = element.querySelector(":scope > svg");
  if (before) before.replaceWith(svg);
  else element.prepend(svg);
}

function fontOf(element) {
  const { fontSize, fontFamily } = getComputedStyle(element);
  const font = `${fontSize} ${fontFamily}`;
  return {
    size: Number.parseFloat(fontSize),
    measure(text) {
      measuring.font = font;
      return measuring.measureText(text).width;
    },
  };
}
