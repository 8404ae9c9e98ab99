// A row as a card of names and values: what lies outside the reference is marked, each number has its bar, and
// labelled rows like it stand beside it.

import { barOf, differences } from "./range.js";
import { nothingHere, Sheet } from "./sheet.js";
import { make } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
const NAMED = 3;
const SIGNS = { outside: "!", rare: "~", missing: "∅" };

export class TableFace extends Sheet {
  constructor(options) {
    super(options);
    this.tools = [["odd_only", null], ["neighbours", null]];
    this.settings = { oddOnly: false, neighbours: true };
    this.labelTitle = options.labelTitle;
  }

  actions() {
    return {
      ...super.actions(),
      odd_only: () => this.toggle("oddOnly"),
      neighbours: () => this.toggle("neighbours"),
      bulk: () => this.toggleBulk(),
    };
  }

  pressed() {
    return { odd_only: this.settings.oddOnly, neighbours: this.settings.neighbours };
  }

  toggle(name) {
    this.change({ [name]: !this.settings[name] });
    this.arrange();
  }

  arrange() {
    const { oddOnly, neighbours } = this.settings;
    this.place.classList.toggle("odd-only", oddOnly);
    this.place.classList.toggle("no-neighbours", !neighbours);
  }

  // The next answer goes to all identical rows too, or to this one alone again.
  toggleBulk() {
    const { session } = this;
    const n = this.screen.task ? (this.context(this.screen.task).value?.alike ?? 0) : 0;
    if (session.back > 0 || session.stage !== "first" || n === 0) return this.screen.tell("no_alike");
    session.alike = session.alike ? 0 : n;
    this.showBulk(n);
    this.screen.tell(session.alike ? "bulk_on" : "bulk_off", { n });
  }

  async get(task) {
    if (!Object.keys(task.item?.inputs ?? {}).length) throw nothingHere();
    await this.context(task).promise;
  }

  // True when the row is on the sheet.
  paint(task) {
    const entry = this.context(task);
    const inputs = task.item?.inputs ?? {};
    if (!entry.isOver || !Object.keys(inputs).length) return false;
    const known = entry.value ?? { fields: [], neighbours: [], source: "none", alike: 0 };
    const fields = known.fields.length ? known.fields : Object.entries(inputs).map(([name, value]) => ({ name, value, kind: "other", state: "unknown" }));
    this.place.replaceChildren(
      make("div", { className: "row-card" }, [this.summary(known, fields), this.cells(fields)]),
      this.aside(task, known, fields),
    );
    this.place.scrollTop = 0;
    this.arrange();
    this.showBulk(known.alike);
    return true;
  }

  words() {
    return this.place.querySelector(".summary b")?.textContent ?? "";
  }

  summary(known, fields) {
    const words = [this.say("table.count", { n: fields.length })];
    for (const state of ["outside", "rare", "missing"]) {
      const names = fields.filter((field) => field.state === state).map(({ name }) => name);
      const listed = names.slice(0, NAMED).join(", ") + (names.length > NAMED ? ", …" : "");
      if (names.length) words.push(this.say(`table.n_${state}`, { n: names.length, names: listed }));
    }
    const where = this.say(`table.source.${known.source}`, { name: known.source_name ?? "", n: known.n_rows ?? 0 });
    return make("p", { className: "summary" }, [make("b", { text: words.join(" · ") }), make("span", { text: where })]);
  }

  cells(fields) {
    return make("dl", { className: "cells" }, fields.map((field) => this.cell(field)));
  }

  cell(field) {
    const sign = SIGNS[field.state];
    const mark = sign ? [make("span", { className: "mark" }, [make("i", { text: sign, "aria-hidden": "true" }), this.say(`table.${this.stateOf(field)}`)])] : [];
    const value = make("span", { className: "value", text: this.shown(field.value) });
    const bar = barOf(field);
    const drawn = bar ? [this.bar(bar, field)] : [];
    return make("div", { className: "cell", "data-state": field.state }, [make("dt", { text: field.name }), make("dd", {}, [value, ...mark, ...drawn])]);
  }

  stateOf(field) {
    if (field.state !== "outside" || field.kind !== "number" || typeof field.low !== "number") return field.state;
    return field.value < field.low ? "below" : field.value > field.high ? "above" : "outside";
  }

  shown(value) {
    if (value === null || value === undefined || value === "") return "—";
    if (typeof value === "number") return this.say.number(value);
    if (typeof value === "boolean") return this.say(value ? "table.yes" : "table.no");
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  }

  bar(bar, field) {
    const draw = (name, attributes) => {
      const part = document.createElementNS(SVG, name);
      for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
      return part;
    };
    const svg = draw("svg", { class: "range", viewBox: "0 0 200 16", preserveAspectRatio: "none", role: "img" });
    const span = ([from, to], y, height, name) => draw("rect", { class: name, x: from * 200, y, width: Math.max(1, (to - from) * 200), height });
    const words = { low: this.say.number(field.rare_low), high: this.say.number(field.rare_high), median: this.say.number(field.median) };
    svg.append(
      draw("line", { class: "all", x1: 16, x2: 184, y1: 8, y2: 8 }),
      span(bar.band, 5, 6, "usual"),
      span(bar.middle, 3, 10, "middle"),
      draw("rect", { class: "median", x: bar.median * 200 - 1, y: 2, width: 2, height: 12 }),
    );
    if (bar.value !== null) svg.append(draw("path", { class: "here", d: diamond(bar.value * 200) }));
    svg.setAttribute("aria-label", this.say("table.range", words));
    const title = draw("title", {});
    title.textContent = this.say("table.range", words);
    svg.append(title);
    return svg;
  }

  // --- rows like it -------------------------------------------------------------------------------------------

  aside(task, known, fields) {
    const list = known.neighbours.map((one) => this.neighbour(one, task, fields));
    const words = known.neighbours.length ? [] : [make("p", { className: "hint", text: this.say("table.no_neighbours") })];
    return make("aside", { className: "neighbours" }, [make("h3", { text: this.say("table.neighbours") }), ...words, make("ol", {}, list)]);
  }

  neighbour(one, task, fields) {
    const differs = differences(task.item.inputs, one.inputs, fields);
    const lines = differs.map(({ name, from, to }) => make("li", { text: `${name}: ${this.shown(from)} → ${this.shown(to)}` }));
    const like = this.say("table.alike", { share: Math.round((1 - one.distance) * 100) });
    const words = differs.length ? make("ul", {}, lines) : make("span", { className: "hint", text: this.say("table.same") });
    return make("li", {}, [make("b", { text: this.labelTitle(one.label) }), make("span", { className: "hint", text: `${like} · ${one.subject_id}` }), words]);
  }

  showBulk(n) {
    const { session } = this;
    this.parts.bulk(session?.back === 0 && session.stage === "first" ? n : 0, Boolean(session?.alike));
  }

  clear() {
    super.clear();
    this.parts.bulk(0, false);
  }
}

const diamond = (x) => `M${x} 1 L${x + 5} 8 L${x} 15 L${x - 5} 8 Z`;
