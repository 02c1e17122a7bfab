// A text with line numbers that is checked while it is written: each mistake leads to its place.

import { node } from "./dom.js";
import { sayWhy } from "./notice.js";
import { Turns } from "./turns.js";
import { plural, t } from "./words.js";

/** So long after the last key a text is looked at. */
const REST_MS = 400;

export class Editor {
  #area;
  #numbers;
  #problems;
  #summary;
  #check;
  #changed;
  #marked;
  #goElsewhere;
  #timer = 0;
  #looking = new Turns();
  /** How many the last text that was checked has. */
  mistakes = 0;

  /**
   * `check` is asked for a text's mistakes, `changed` is told when the text or they are others, `marked`
   * what they are; `goElsewhere` says whether it led to a mistake, so that the text need not.
   */
  constructor(area, numbers, problems, summary, { check, changed, marked, goElsewhere }) {
    [this.#area, this.#numbers, this.#problems, this.#summary] = [area, numbers, problems, summary];
    [this.#check, this.#changed, this.#marked, this.#goElsewhere] = [check, changed, marked, goElsewhere];
    area.addEventListener("input", () => this.#edited());
    area.addEventListener("scroll", () => (numbers.scrollTop = area.scrollTop));
  }

  get text() {
    return this.#area.value;
  }

  /** Put a text in place of the one that is there. */
  write(text) {
    this.#area.value = text;
    this.#area.disabled = false;
    this.#area.setSelectionRange(0, 0);
    this.#area.scrollTop = 0;
    this.#edited(0);
  }

  #edited(rest = REST_MS) {
    const lines = this.#area.value.split("\n").length;
    this.#numbers.textContent = Array.from({ length: lines }, (_, i) => i + 1).join("\n");
    this.#changed();
    // what is being asked is of a text that is there no more
    this.#looking.begin();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), rest);
  }

  async #look() {
    const isNewest = this.#looking.begin();
    try {
      const { errors } = await this.#check(this.#area.value);
      if (isNewest()) this.#show(errors);
    } catch (error) {
      if (isNewest()) sayWhy(error);
    }
  }

  #show(errors) {
    this.mistakes = errors.length;
    this.#summary.textContent = errors.length === 0 ? t("No mistakes.") : plural("{n} mistake:", "{n} mistakes:", errors.length);
    this.#summary.classList.toggle("doubt", errors.length > 0);
    this.#problems.replaceChildren(...errors.map((error) => node("li", {}, this.#link(error))));
    this.#marked(errors);
    this.#changed();
  }

  #link({ line, column, path, message }) {
    if (line === 0) return node("span", { className: "doubt", textContent: message });
    return node("button", { type: "button", className: "place", onclick: () => this.#goElsewhere(path) || this.#goTo(line, column) },
      node("span", { className: "line", textContent: t("Line {line}", { line }) }), node("span", { textContent: message }));
  }

  #goTo(line, column) {
    const lines = this.#area.value.split("\n");
    const begin = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    const at = begin + Math.max(0, column - 1);
    const word = /^[\w-]*/.exec(this.#area.value.slice(at))[0].length;
    this.#area.focus();
    this.#area.setSelectionRange(at, at + word);
    const height = this.#area.scrollHeight / lines.length;
    this.#area.scrollTop = Math.max(0, (line - 5) * height);
  }
}
