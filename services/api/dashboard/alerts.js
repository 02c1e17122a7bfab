// Alerts: those that fire now, those of the last day, acknowledgements and comments.

import { whoWords } from "./audit-words.js";
import { measureWords, severityWords, windowWords } from "./codes.js";
import { FIGURES } from "./figures.js";
import { node } from "./dom.js";
import { NO_DATA, ago, clock, massText, percent, rateText } from "./format.js";
import { locale, plural, t } from "./words.js";

/** A value in its unit, as people read it; of another mass than CO2 with its name. */
export function inUnit(unit, value, figure = "co2") {
  if (value === null || value === undefined) return NO_DATA;
  const of = figure && figure !== "co2" ? ` ${FIGURES[figure]?.name ?? figure}` : "";
  switch (unit) {
    case "kg/h": return `${rateText(value)}${of}`;
    case "kg": return `${massText(value)}${of}`;
    case "ratio": return percent(value);
    case "s": return `${Math.round(value / 60)} min`;
    default: return `${new Intl.NumberFormat(locale, { maximumSignificantDigits: 4 }).format(value)} ${unit ?? ""}`.trim();
  }
}

export function what(alert) {
  const { measure, window, source, scope, channel, device, figure, pollutant } = alert;
  const sensor = channel ? `${alert.device_name ?? channel.split(".")[0]}.${channel.split(".")[1]}` : null;
  const watched = alert.source_name ?? source ?? sensor ?? alert.device_name ?? device;
  const substance = pollutant ?? (figure && figure !== "co2" ? FIGURES[figure]?.name ?? figure : null);
  const words = measureWords(measure);
  const whole = substance === null ? words : t("{measure} of {substance}", { measure: words, substance });
  const place = watched ?? (scope ? t("scope {scope}", { scope }) : t("the facility"));
  return `${whole}${window ? ` (${windowWords(window)})` : ""}, ${place}`;
}

export function headline(alert) {
  const limit = inUnit(alert.unit, alert.limit, alert.figure);
  if (alert.projected) return t("will pass {limit}", { limit });
  return alert.direction === "below" ? t("below {limit}", { limit }) : t("above {limit}", { limit });
}

/** Newer than this, a value is of now: a minute is evaluated some seconds after it is over. */
const PRESENT_MS = 3 * 60_000;

/** The newest value with its time, where it is no longer of now; null: it is. */
export function olderValue({ unit, present_value: present, present_at: at, figure }, zone) {
  if (present === null || Date.now() - Date.parse(at) <= PRESENT_MS) return null;
  return t("{value} at {time}", { value: inUnit(unit, present, figure), time: clock(Date.parse(at), zone) });
}

/** The present value, and which way it went since the alert fired. */
function trend({ unit, present_value: present, value, figure }) {
  const now = inUnit(unit, present, figure);
  const before = inUnit(unit, value, figure);
  if (value === null || before === now) return t("now {value}", { value: now });
  return present > value
    ? t("now {value}, up from {before}", { value: now, before })
    : t("now {value}, down from {before}", { value: now, before });
}

function when(alert, zone) {
  const at = (time) => clock(Date.parse(time), zone);
  if (alert.undone_at) return t("{time}, retracted by later data", { time: at(alert.fired_at) });
  if (alert.resolved_at) return `${at(alert.fired_at)} – ${at(alert.resolved_at)}`;
  const since = t("since {time}, {ago}", { time: at(alert.fired_at), ago: ago(Date.parse(alert.fired_at)) });
  if (alert.state === "no-data") return t("{since}; no data now", { since });
  if (!alert.projected) return since;
  if (!alert.crosses_at) return since;
  const crosses = t("at {time} at the present rate", { time: moment(alert.crosses_at, zone) });
  if (alert.room === null) return crosses;
  return `${crosses}, ${t("{mass} left", { mass: inUnit(alert.unit, alert.room, alert.figure) })}`;
}

function moment(time, zone) {
  const far = Date.parse(time) - Date.now() > 20 * 3_600_000;
  return new Intl.DateTimeFormat(locale, {
    ...(far && { day: "numeric", month: "short" }),
    hour: "2-digit", minute: "2-digit", hour12: false, timeZone: zone,
  }).format(Date.parse(time));
}

/** More than these are a list that nobody reads; the least severe, and of those the oldest, are left out. */
const SHOWN = 50;
/** So many stand above what is below them, until somebody asks for all. */
const FEW = 5;
const SEVERITIES = ["critical", "warning", "info"];

/** The address of an alert's own page. */
export const alertAddress = (id) => `/alerts?${new URLSearchParams({ alert: id })}`;

export class Alerts {
  /**
   * `acknowledge(id, comment)` acknowledges an alert through the API; `more`, a button, shows all where a few are
   * enough at first.
   */
  constructor(card, list, summary, acknowledge, more = null) {
    this.card = card;
    this.list = list;
    this.summary = summary;
    this.acknowledge = acknowledge;
    this.items = new Map();
    this.more = more;
    if (more === null) return;
    more.ariaExpanded = "false";
    more.onclick = () => {
      more.ariaExpanded = String(more.ariaExpanded === "false");
      this.drawAll(...this.drawn);
    };
  }

  /** Draw a facility's alerts, the most severe first, of those the newest; there is no card where there is none. */
  draw(alerts, zone) {
    this.drawAll(alerts, ({ id }) => ({ zone, href: alertAddress(id) }));
    this.card.hidden = alerts.length === 0;
  }

  /**
   * Draw alerts of any facilities; a comment that is being typed stays. `about(alert)` has the `zone`
   * of its facility, and if they are to be shown its `place`, the texts of its codes as `said`, a page's `href`
   * and a small picture of its `course`.
   */
  drawAll(alerts, about) {
    this.drawn = [alerts, about];
    const open = alerts.filter((alert) => !alert.resolved_at && !alert.undone_at)
      .sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
    this.card.classList.toggle("standing", open.length > 0);
    this.summary.textContent = open.length
      ? plural("{n} now", "{n} now", open.length)
      : alerts.length ? t("none now; the last 24 hours") : t("none");
    const shown = this.enough([...open, ...alerts.filter((alert) => !open.includes(alert))].slice(0, SHOWN));
    const items = shown.map((alert) => {
      const item = this.items.get(alert.id) ?? this.item(alert.id);
      this.fill(item, alert, about(alert));
      return item;
    });
    this.items = new Map(shown.map((alert, i) => [alert.id, items[i]]));
    if (items.some((item, i) => this.list.children[i] !== item) || this.list.children.length !== items.length) {
      this.list.replaceChildren(...items);
    }
  }

  /** The first few, unless all are asked for, and the one in which somebody writes. */
  enough(alerts) {
    if (this.more === null) return alerts;
    this.more.hidden = alerts.length <= FEW;
    const isWhole = this.more.ariaExpanded === "true";
    this.more.textContent = isWhole ? t("Fewer alerts") : t("All {n} alerts", { n: alerts.length });
    return alerts.filter(({ id }, i) => isWhole || i < FEW || this.items.get(id)?.contains(document.activeElement));
  }

  item(id) {
    const item = document.createElement("li");
    item.innerHTML =
      '<p class="severity"></p><div class="what"><p class="title"></p><p class="quiet detail"></p>' +
      '<p class="course-line"></p><p class="words"></p><p class="quiet known-by"></p></div>' +
      '<form><label class="sr"></label><input maxlength="1000" autocomplete="off">' +
      '<button type="submit"></button></form>';
    const [label, input] = [item.querySelector("label"), item.querySelector("input")];
    input.id = `comment-${id}`;
    label.htmlFor = input.id;
    input.placeholder = t("Comment");
    item.querySelector("form").onsubmit = async (event) => {
      event.preventDefault();
      const button = item.querySelector("button");
      button.disabled = true;
      try {
        await this.acknowledge(id, input.value.trim());
        input.value = "";
      } finally {
        button.disabled = false;
      }
    };
    return item;
  }

  fill(item, alert, { zone, place, said = [], href, course = null }) {
    const put = (selector, text) => {
      const element = item.querySelector(selector);
      if (element.textContent !== text) element.textContent = text;
    };
    const over = alert.resolved_at !== null || alert.undone_at !== null;
    item.dataset.alert = alert.id;
    item.dataset.severity = alert.severity;
    item.dataset.state = alert.undone_at ? "undone" : over ? "resolved" : alert.state;
    put(".severity", over ? (alert.undone_at ? t("retracted") : t("resolved")) : severityWords(alert.severity));
    put(".title", `${alert.threshold}: ${headline(alert)}`);
    const silent = alert.maintenance && !over ? `; ${t("muted by {maintenance}", alert)}` : "";
    const beside = alert.present_value === null ? "" : ` · ${olderValue(alert, zone) ?? trend(alert)}`;
    put(".detail", `${place ? `${place} · ` : ""}${what(alert)} · ${when(alert, zone)}${beside}${silent}`);
    if (href && !item.querySelector(".title a")) item.querySelector(".title").replaceChildren(node("a", { href, textContent: item.querySelector(".title").textContent }));
    const line = item.querySelector(".course-line");
    if (line.firstChild !== course) line.replaceChildren(...(course ? [course] : []));
    put(".words", alert.message ?? "");
    const by = alert.acked_by ? t("Acknowledged by {name}", { name: whoWords(alert.acked_by) }) : "";
    put(".known-by", [by, [...said, alert.comment && `“${alert.comment}”`].filter(Boolean).join(" · ")].filter(Boolean).join(": "));
    put("label", t("Comment on {threshold}", alert));
    put("button", alert.acked_at ? t("Comment") : t("Acknowledge"));
    item.querySelector("form").hidden = over;
    item.querySelector("input").required = Boolean(alert.acked_at);
  }
}
