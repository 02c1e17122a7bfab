// What a pointer does in a chart: words at what it points at, a click on a bar, and a time dragged over.

import { node } from "./dom.js";

/** A shorter way is a click. */
const CLICK_PX = 5;
/** A mark or point of a line is hit from so far. */
const NEAR_PX = 9;

/**
 * Follow pointers over `element`; `drawn()` has `shown` and `layout` of what is drawn now, and what
 * to call: `onBar(index, key)`, `onZoom(first, last)`.
 */
export function followPointer(element, drawn) {
  const words = node("div", { className: "tip", hidden: true, ariaHidden: "true" });
  const choice = node("div", { className: "dragged", hidden: true });
  element.append(choice, words);
  let pressed = null;
  const place = (event) => {
    const { left, top } = element.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };
  const show = (at) => {
    const hit = hitOf(drawn(), at);
    words.hidden = !hit;
    if (hit) tell(words, hit.text, at, element);
  };
  element.addEventListener("pointerdown", (event) => {
    const { handlers, layout } = drawn();
    const at = place(event);
    show(at);
    if (event.button !== 0 || !handlers.onZoom || at.x < layout.left) return;
    pressed = at;
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (!pressed) return show(at);
    words.hidden = true;
    stretch(choice, pressed.x, at.x, drawn().layout);
  });
  element.addEventListener("pointerup", (event) => {
    if (!pressed) return;
    const [from, to] = [pressed.x, place(event).x];
    end();
    const { shown, layout, handlers } = drawn();
    if (Math.abs(to - from) >= CLICK_PX) return zoom(layout, handlers, from, to);
    const hit = hitOf({ shown, layout }, place(event));
    if (hit?.index !== undefined) handlers.onBar?.(hit.index, hit.key ?? null);
  });
  const end = () => {
    pressed = null;
    choice.hidden = true;
  };
  element.addEventListener("pointercancel", end);
  element.addEventListener("pointerleave", () => { words.hidden = true; });
}

function stretch(choice, from, to, { left, right, top, bottom }) {
  const [first, last] = [Math.max(left, Math.min(from, to)), Math.min(right, Math.max(from, to))];
  choice.hidden = last - first < CLICK_PX;
  Object.assign(choice.style, { left: `${first}px`, width: `${last - first}px`, top: `${top}px`, height: `${bottom - top}px` });
}

function zoom({ columns }, { onZoom }, one, other) {
  const [from, to] = [Math.min(one, other), Math.max(one, other)];
  const first = columns.findIndex(({ right }) => right > from);
  const last = columns.findLastIndex(({ left }) => left < to);
  if (first >= 0 && last >= first) onZoom(first, last);
}

/** Lines of text beside the pointer, within the chart. */
function tell(words, text, { x, y }, element) {
  words.replaceChildren(...text.map((line, i) => node(i ? "b" : "span", { textContent: line })));
  const left = Math.min(x + 14, element.clientWidth - words.offsetWidth);
  const top = y + 18 + words.offsetHeight > element.clientHeight ? y - words.offsetHeight - 10 : y + 18;
  Object.assign(words.style, { left: `${Math.max(0, left)}px`, top: `${Math.max(0, top)}px` });
}

/** What is nearest to a place: `text` in lines, and of a bar its `index` and its series' `key`. */
function hitOf({ shown, layout }, { x, y }) {
  if (x < layout.left || x > layout.right || y > layout.bottom) return null;
  return ofMarks(shown, layout, x, y) ?? ofPoints(shown, layout, x, y) ?? ofBars(shown, layout, x, y);
}

function ofMarks({ marks = [] }, layout, x, y) {
  if (y > layout.top + NEAR_PX) return null;
  return nearest(marks, ({ x: place }) => Math.abs(layout.x(place) - x));
}

function ofPoints({ lines = [] }, layout, x, y) {
  const points = lines.flatMap((line) => line.points.filter((point) => point.y !== null));
  return nearest(points, (point) => Math.hypot(layout.x(point.x) - x, layout.y(point.y) - y));
}

function nearest(list, distance) {
  const [first] = list.map((one) => ({ one, away: distance(one) })).sort((a, b) => a.away - b.away);
  return first && first.away <= NEAR_PX ? first.one : null;
}

function ofBars({ series, gaps = [] }, layout, x, y) {
  const index = layout.columns.findIndex(({ left, right }) => x >= left && x < Math.max(left + 1, right));
  if (index < 0) return null;
  const n = layout.series.findIndex(({ boxes }) => {
    const box = boxes[index];
    return box && x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
  });
  if (n >= 0) return { text: series[n].texts[index], index, key: series[n].key };
  return gaps[index] ? { text: gaps[index], index } : null;
}
