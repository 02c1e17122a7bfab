// A list of what may be written at the caret of a text, from a JSON Schema; keys choose, nothing is forced.

import { node } from "./dom.js";
import { contextAt, proposals } from "./file-context.js";
import { helpWords } from "./schema-words.js";
import { plural } from "./words.js";

const SHOWN = 50;

export class Completion {
  #area;
  #list;
  #status;
  #schema;
  #offers = [];
  #active = -1;
  #length = 0;

  /** `status` says how many there are, to those who do not see the list. */
  constructor(area, list, status, schema) {
    [this.#area, this.#list, this.#status, this.#schema] = [area, list, status, schema];
    area.addEventListener("keydown", (event) => this.#pressed(event));
    area.addEventListener("input", (event) => this.#typed(event));
    for (const over of ["blur", "scroll", "click"]) area.addEventListener(over, () => this.#close());
    // the text keeps the focus while somebody chooses with the mouse
    list.addEventListener("mousedown", (event) => event.preventDefault());
  }

  #typed({ inputType, data }) {
    if (inputType === "insertText" && /^[\w-]$/.test(data ?? "")) this.#open(1, -1);
    else this.#close();
  }

  #pressed(event) {
    if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      this.#open(0, 0);
    }
    if (this.#list.hidden) return;
    const last = this.#offers.length - 1;
    const chosen = this.#active >= 0 && ["Enter", "Tab"].includes(event.key);
    if (event.key === "ArrowDown") this.#point(this.#active >= last ? 0 : this.#active + 1);
    else if (event.key === "ArrowUp") this.#point(this.#active <= 0 ? last : this.#active - 1);
    else if (chosen) this.#insert(this.#offers[this.#active]);
    else if (event.key === "Escape") this.#close();
    else return;
    event.preventDefault();
  }

  /** Offer what begins with the word at the caret, if that has so many letters. */
  #open(least, active) {
    const context = contextAt(this.#area.value, this.#area.selectionEnd);
    if (context === null || context.word.length < least) return this.#close();
    this.#offers = proposals(this.#schema, context).slice(0, SHOWN);
    this.#length = context.word.length;
    if (this.#offers.length === 0) return this.#close();
    this.#list.replaceChildren(...this.#offers.map((offer, i) => {
      const option = node("li", { id: `offer-${i}`, role: "option", onclick: () => this.#insert(offer) },
        node("b", { textContent: offer.text }), node("span", { className: "quiet", textContent: helpWords(offer.help) }));
      option.setAttribute("aria-selected", "false");
      return option;
    }));
    this.#place();
    this.#list.hidden = false;
    this.#status.textContent = plural("{n} proposal", "{n} proposals", this.#offers.length);
    this.#point(active);
  }

  #place() {
    const before = this.#area.value.slice(0, this.#area.selectionEnd).split("\n");
    const style = getComputedStyle(this.#area);
    const height = parseFloat(style.lineHeight);
    const top = this.#area.offsetTop + parseFloat(style.paddingTop) + before.length * height - this.#area.scrollTop;
    this.#list.style.top = `${Math.min(top, this.#area.offsetTop + this.#area.clientHeight - height)}px`;
    this.#list.style.left = `${this.#area.offsetLeft + parseFloat(style.paddingLeft)}px`;
  }

  #point(active) {
    this.#active = active;
    [...this.#list.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === active)));
    if (active < 0) return this.#area.removeAttribute("aria-activedescendant");
    this.#area.setAttribute("aria-activedescendant", `offer-${active}`);
    this.#list.children[active].scrollIntoView({ block: "nearest" });
  }

  #insert({ inserted }) {
    const at = this.#area.selectionEnd;
    const isKeyed = /^:/.test(this.#area.value.slice(at));
    this.#area.setRangeText(isKeyed ? inserted.replace(/: $/, "") : inserted, at - this.#length, at, "end");
    this.#close();
    this.#area.dispatchEvent(new InputEvent("input", { inputType: "insertReplacementText", bubbles: true }));
  }

  #close() {
    this.#list.hidden = true;
    this.#active = -1;
    this.#status.textContent = "";
    this.#area.removeAttribute("aria-activedescendant");
  }
}
