// A text in short lines, in the size that the person likes, with the marked spans.

import { nothingHere, Sheet } from "./sheet.js";
import { make } from "./text.js";

const SIZES = [14, 16, 18, 21, 25, 30];
const KEEP = 30;
const SPOKEN = 1000; // letters that are read aloud by themselves; the rest is on the sheet

// [{text, span}] in the order of the text: letters inside a span and outside. Overlapping spans: the first one counts.
export function pieces(text, spans) {
  const letters = [...text]; // the server counts letters, not UTF-16 units
  const found = [];
  let at = 0;
  for (const span of spans) {
    if (span.start < at || span.end > letters.length) continue;
    if (span.start > at) found.push({ text: letters.slice(at, span.start).join(""), span: null });
    found.push({ text: letters.slice(span.start, span.end).join(""), span });
    at = span.end;
  }
  if (at < letters.length) found.push({ text: letters.slice(at).join(""), span: null });
  return found;
}

export class TextFace extends Sheet {
  constructor(options) {
    super(options);
    this.tools = [["bigger", "A+"], ["smaller", "A−"], ["spans", null]];
    this.repeatable = ["bigger", "smaller"];
    this.settings = { size: 18, spans: true };
    this.texts = new Map(); // sha256 -> {promise, value}
  }

  actions() {
    const step = (direction) => () => this.resizeText(direction);
    return { ...super.actions(), bigger: step(1), smaller: step(-1), spans: () => this.toggleSpans() };
  }

  pressed() {
    return { spans: this.settings.spans };
  }

  resizeText(direction) {
    const at = SIZES.indexOf(this.settings.size) + direction;
    if (at >= 0 && at < SIZES.length) this.change({ size: SIZES[at] });
    this.place.style.setProperty("--letters", `${this.settings.size}px`);
  }

  toggleSpans() {
    this.change({ spans: !this.settings.spans });
    if (this.screen.task) this.paint(this.screen.task);
  }

  warm(task) {
    super.warm(task);
    const { artifact, text } = task.item ?? {};
    if (artifact && typeof text !== "string") this.load(artifact).catch(() => {});
  }

  // A text that was stored as a file.
  load(sha256) {
    if (!this.texts.has(sha256)) {
      const entry = { value: null };
      entry.promise = this.api.artifact(sha256).then(async (blob) => (entry.value = await blob.text()));
      entry.promise.catch(() => this.texts.delete(sha256));
      this.texts.set(sha256, entry);
      if (this.texts.size > KEEP) this.texts.delete(this.texts.keys().next().value);
    }
    return this.texts.get(sha256).promise;
  }

  textOf(task) {
    const { artifact, text } = task.item ?? {};
    if (typeof text === "string" && text) return text;
    return artifact ? (this.texts.get(artifact)?.value ?? null) : null;
  }

  async get(task) {
    const { artifact, text } = task.item ?? {};
    if (!text && !artifact) throw nothingHere();
    if (!text) await this.load(artifact);
    if (!this.textOf(task)) throw nothingHere();
  }

  // True when the text is on the sheet; marks that come later are put into it.
  paint(task) {
    const text = this.textOf(task);
    if (!text) return false;
    const entry = this.context(task);
    const spans = this.settings.spans ? (entry.value?.spans ?? []) : [];
    const shown = pieces(text, spans).map(({ text: words, span }) => (span ? this.marked(words, span) : words));
    this.place.replaceChildren(make("div", { className: "reading", lang: "" }, shown));
    this.place.style.setProperty("--letters", `${this.settings.size}px`);
    if (!entry.isOver) entry.promise.then((found) => found?.spans.length && this.screen.task === task && this.paint(task));
    return true;
  }

  words(task) {
    return (this.textOf(task) ?? "").slice(0, SPOKEN);
  }

  marked(words, span) {
    const tag = span.label ? [make("span", { className: "tag", text: span.label })] : [];
    return make("mark", {}, [words, ...tag]);
  }

  // After an answer the spans of the AI answer may be seen.
  async revealed(task) {
    await this.askAgain(task);
    if (this.screen.task === task) this.paint(task);
  }
}
