// A facility file as fields, built from its JSON Schema. What is changed is edited in the text, on the server.

import { node } from "./dom.js";
import { field } from "./form-fields.js";
import { beginning, deciding, kindOf, kinds, linesOf, rowsOf, shapeOf, step, valueAt, valuesOf } from "./form-kinds.js";
import { sayWhy } from "./notice.js";
import { helpWords, keyItself, keyWords } from "./schema-words.js";
import { plural, t } from "./words.js";

export class FileForm {
  #root;
  #schema;
  #edit;
  #document = {};
  #errors = [];
  /** Pointers of parts that are open. */
  #open = new Set();
  /** Pointers of keys that somebody chose to state, which are not yet. */
  #begun = new Set();
  #queue = Promise.resolve();
  /** How often the form was drawn. */
  #drawn = 0;

  #opened;

  /** `edit` makes edits in the text that is written and returns what it states then; `opened` is told which part was. */
  constructor(root, schema, { edit, opened }) {
    [this.#root, this.#schema, this.#edit, this.#opened] = [root, schema, edit, opened];
  }

  /** Show what a text states. */
  show(document) {
    this.#document = document;
    this.#draw();
  }

  /** Show mistakes where they are: at their field, or at what it is missing in. */
  mark(errors) {
    this.#errors = errors;
    for (const old of this.#root.querySelectorAll(".mistake, .mistakes")) {
      old.textContent = "";
      old.closest(".part")?.querySelector(":scope > .entry")?.removeAttribute("aria-invalid");
    }
    for (const { path, message } of errors) {
      const part = this.#nearest(path);
      if (part === null) continue;
      const line = part.querySelector(":scope > .mistake, :scope > .below > .mistake");
      if (line) line.textContent = line.textContent === "" ? message : `${line.textContent}; ${message}`;
      part.querySelector(":scope > .entry")?.setAttribute("aria-invalid", "true");
    }
    for (const part of this.#root.querySelectorAll("details.part")) {
      const within = errors.filter(({ path }) => path === part.dataset.path || path.startsWith(`${part.dataset.path}/`)).length;
      part.querySelector(".mistakes").textContent = within === 0 ? "" : plural("{n} mistake", "{n} mistakes", within);
    }
  }

  /** Open what leads to a pointer and go there. */
  goTo(path) {
    let opened = "";
    for (const token of path.split("/").slice(1)) {
      opened += `/${token}`;
      const part = this.#at(opened);
      if (part?.tagName === "DETAILS") this.#unfold(part);
    }
    const part = this.#nearest(path);
    part?.scrollIntoView({ block: "center" });
    part?.querySelector("input, select, summary, button")?.focus();
  }

  #at = (path) => this.#root.querySelector(`[data-path="${CSS.escape(path)}"]`);

  #nearest(path) {
    for (let at = path; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
      const part = this.#at(at);
      if (part) return part;
    }
    return null;
  }

  #draw() {
    const active = this.#root.contains(document.activeElement) ? document.activeElement : null;
    const focused = active?.closest(".part")?.dataset.path;
    // what is being typed is entered before its field is replaced
    active?.blur();
    this.#drawn += 1;
    this.#root.replaceChildren(...this.#lists(), ...this.#keys("", this.#schema, this.#document, { isWhole: true }));
    this.mark(this.#errors);
    if (focused !== undefined) this.#at(focused)?.querySelector("input, select, summary")?.focus();
  }

  /** Ids that the file has, by the key that may name them: `source` names one of `sources`. */
  #lists() {
    return Object.entries(this.#document)
      .filter(([, entries]) => Array.isArray(entries))
      .map(([key, entries]) => node("datalist", { id: `ids-of-${key.replace(/s$/, "")}` },
        ...entries.filter((entry) => entry?.id !== undefined).map(({ id }) => node("option", { value: id }))));
  }

  /** Change the text, one edit after another; `isOther` draws the form anew, for it has other fields. */
  #change(edits, { isOther = true, focus = null } = {}) {
    const drawn = this.#drawn;
    this.#queue = this.#queue.then(async () => {
      let isRefused = false;
      try {
        const made = edits(this.#document);
        if (made.length > 0) this.#document = await this.#edit(made);
      } catch (error) {
        sayWhy(error);
        isRefused = true;
      }
      // drawn meanwhile, it shows what stood there before
      if (isOther || isRefused || drawn !== this.#drawn) this.#draw();
      if (focus !== null) this.goTo(focus);
    });
  }

  /** The keys of a mapping: those that are stated or have to be, and a choice of those that may be. */
  #keys(path, { properties = {}, required = [] }, value, { isWhole = false, decided = new Map() } = {}) {
    const isShown = (key) => isWhole || key in value || required.includes(key) || this.#begun.has(path + step(key));
    const shown = Object.keys(properties).filter(isShown);
    const rest = Object.keys(properties).filter((key) => !isShown(key));
    return [
      ...shown.map((key) => this.#part(path + step(key), properties[key], value[key],
        { label: keyWords(key), name: keyItself(key), key, isRequired: required.includes(key), choices: decided.get(key) })),
      ...(rest.length ? [this.#more(path, rest, properties)] : []),
    ];
  }

  /** A choice of keys that are not stated. */
  #more(path, keys, properties) {
    const choose = node("select", {},
      node("option", { value: "", textContent: t("State more …") }),
      ...keys.map((key) => node("option", { value: key, textContent: [keyWords(key), keyItself(key)].filter(Boolean).join(" · "), title: helpWords(properties[key].description) })));
    choose.setAttribute("aria-label", t("State more of this part"));
    choose.onchange = () => {
      const own = path + step(choose.value);
      const may = kinds(this.#schema, properties[choose.value]);
      this.#begun.add(own);
      this.#open.add(own);
      this.#change(() => (may.scalars.length > 0 ? [] : [{ op: "add", path: own, value: beginning(may) }]), { focus: own });
    };
    return node("p", { className: "more" }, choose);
  }

  #part(path, part, value, { label, name = "", key, isRequired = false, choices, removable = null }) {
    const may = kinds(this.#schema, part);
    const isComposite = value === undefined || value === null ? may.scalars.length === 0 : typeof value === "object";
    if (!isComposite) {
      return field({
        path, label, name, key, value, isRequired, choices, may, removable, description: helpWords(part.description),
        changed: (stated, isOther = false) => this.#state(path, stated, isOther || choices !== undefined),
      });
    }
    return this.#composite(path, part, may, value ?? undefined, { label, name, removable: removable ?? (isRequired || value === undefined ? null : path) });
  }

  #state(path, stated, decides) {
    const edits = (document) => {
      const isThere = valueAt(document, path) !== undefined;
      if (stated === undefined) return isThere ? [{ op: "remove", path }] : [];
      return [{ op: isThere ? "replace" : "add", path, value: stated }];
    };
    this.#change(edits, { isOther: decides, focus: decides ? path : null });
  }

  #composite(path, part, may, value, { label, name, removable }) {
    const kind = kindOf(may.composites, value ?? (may.composites[0].type === "array" ? [] : {}));
    const summary = node("summary", {}, node("b", { textContent: label }), ...(name ? [node("code", { className: "quiet", textContent: name })] : []), node("span", { className: "quiet", textContent: ofWhich(kind, value) }),
      node("span", { className: "mistakes doubt" }));
    const made = node("details", { className: "part" }, summary);
    made.dataset.path = path;
    made.fill = () => {
      const help = helpWords(part.description ?? kind.description);
      made.append(node("div", { className: "below" },
        ...(help ? [node("p", { className: "quiet help", textContent: help })] : []),
        node("p", { className: "mistake doubt" }),
        ...this.#within(path, kind, may, value),
        ...(removable === null ? [] : [this.#remove(removable, label)])));
      made.fill = null;
    };
    made.addEventListener("toggle", () => {
      if (made.open) this.#unfold(made);
      else this.#open.delete(path);
      if (made.isConnected) this.#opened(made.open ? path : path.slice(0, path.lastIndexOf("/")));
    });
    if (this.#open.has(path)) {
      made.open = true;
      made.fill();
    }
    return made;
  }

  #unfold(part) {
    this.#open.add(part.dataset.path);
    part.open = true;
    if (part.fill === null) return;
    part.fill();
    this.mark(this.#errors);
  }

  #within(path, kind, may, value) {
    const shape = shapeOf(kind);
    if (shape === "text") {
      return [node("pre", { className: "stated", textContent: JSON.stringify(value ?? null, null, 1) }),
        node("p", { className: "quiet", textContent: t("This part is changed in the text.") })];
    }
    if (shape === "list") return this.#entries(path, kind, value ?? []);
    if (shape === "row" || shape === "table") return this.#rows(path, shape, value ?? []);
    if (value === undefined) return [this.#begin(path, beginning(may))];
    if (shape === "mapping") return this.#mapping(path, kind, value);
    return this.#keys(path, kind, value, { decided: deciding(may.composites) });
  }

  #entries(path, { items }, value) {
    const may = kinds(this.#schema, items);
    const add = node("button", { type: "button", textContent: t("Add") });
    add.onclick = () => {
      const own = `${path}/${value.length}`;
      this.#open.add(own);
      this.#change((document) => [
        ...(valueAt(document, path) === undefined ? [{ op: "add", path, value: [] }] : []),
        { op: "add", path: `${path}/-`, value: beginning(may) },
      ], { focus: own });
    };
    add.setAttribute("aria-label", t("Add to {list}", { list: keyWords(path.split("/").at(-1)) }));
    return [...value.map((entry, i) => this.#part(`${path}/${i}`, items, entry, { label: titleOf(entry, i), key: "", removable: `${path}/${i}` })), add];
  }

  /** One row of values, or a row on each line: what is copied from a spreadsheet can be pasted. */
  #rows(path, shape, value) {
    const area = node("textarea", { rows: shape === "row" ? 1 : Math.min(12, value.length + 2), spellcheck: false });
    area.value = linesOf(shape === "row" ? [value] : value);
    area.setAttribute("aria-label", keyWords(path.split("/").at(-1)));
    area.onchange = () => {
      const rows = rowsOf(area.value);
      this.#state(path, rows.length === 0 ? undefined : shape === "row" ? rows.flat() : rows, true);
    };
    const help = shape === "row" ? t("Values with spaces between them.") : t("A row on each line, values with spaces between them.");
    return [area, node("p", { className: "quiet help", textContent: help })];
  }

  /** Keys that the file chooses itself, each with its value, and a field for one more. */
  #mapping(path, kind, value) {
    const values = valuesOf(kind);
    const key = node("input", { type: "text", autocomplete: "off", spellcheck: false, required: true, placeholder: t("key") });
    key.setAttribute("aria-label", t("Key to add to {list}", { list: keyWords(path.split("/").at(-1)) }));
    const add = node("form", { className: "filters" }, key, node("button", { type: "submit", textContent: t("Add") }));
    add.onsubmit = (event) => {
      event.preventDefault();
      const own = path + step(key.value.trim());
      this.#open.add(own);
      this.#change((document) => (valueAt(document, own) === undefined ? [{ op: "add", path: own, value: beginning(kinds(this.#schema, values)) }] : []), { focus: own });
    };
    const parts = Object.entries(value).map(([name, one]) =>
      this.#part(path + step(name), values, one, { label: name, key: "", removable: path + step(name) }));
    return [...parts, add];
  }

  #begin(path, value) {
    const button = node("button", { type: "button", textContent: t("State it") });
    button.onclick = () => this.#change(() => [{ op: "add", path, value }], { focus: path });
    return button;
  }

  #remove(path, label) {
    const button = node("button", { type: "button", className: "plain", textContent: t("Remove {part}", { part: label }) });
    button.onclick = () => {
      for (const open of [this.#open, this.#begun]) for (const own of open) if (own === path || own.startsWith(`${path}/`)) open.delete(own);
      this.#change(() => [{ op: "remove", path }], { focus: path.slice(0, path.lastIndexOf("/")) || path });
    };
    return button;
  }
}

/** What an entry of a list is called: by its id or name, else by its first value, else by its number. */
function titleOf(entry, i) {
  if (entry === null || typeof entry !== "object") return String(i + 1);
  const first = Object.values(entry).find((value) => ["string", "number"].includes(typeof value) && value !== "");
  return String(entry.id ?? entry.name ?? first ?? i + 1);
}

function ofWhich({ type }, value) {
  if (value === undefined) return t("not stated");
  return type === "array" ? plural("{n} entry", "{n} entries", value.length) : "";
}
