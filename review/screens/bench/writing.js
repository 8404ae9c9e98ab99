// The box for answers that are written: a transcript, a number, a free word. Enter answers, Escape leaves the box.

import { make } from "./text.js";

// A number as people write it, with the decimal sign of their language or a point, so that equal numbers are equal
// texts; null when it is none, or could be meant as thousands.
export function numberOf(text, decimal) {
  const isGrouped = decimal === "," && /^-?\d{1,3}(\.\d{3})+$/.test(text);
  const plain = decimal === "," ? text.replace(",", ".") : text;
  return !isGrouped && /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain) && Number.isFinite(Number(plain)) ? String(Number(plain)) : null;
}

export class Writing {
  // onSubmit(text), onChange(text). kind: "text" or "number"; null when this model's answers are chosen, not written.
  constructor({ place, root, say, kind, onSubmit, onChange }) {
    Object.assign(this, { place, root, say, kind, onSubmit, onChange, chosen: null });
    place.hidden = kind === null;
    if (kind === null) return;
    const label = say(kind === "number" ? "writing.number" : "writing.text");
    this.field = make("textarea", { rows: 1, maxlength: 2000, "aria-label": label, placeholder: say("writing.hint"), spellcheck: "false", inputmode: kind === "number" ? "decimal" : "text" });
    this.field.addEventListener("input", () => this.edited());
    this.keep = make("button", { type: "button", className: "primary" }, [make("span", { text: say("writing.answer") }), make("kbd", { text: "Enter" })]);
    this.keep.addEventListener("click", () => this.submit());
    place.replaceChildren(this.field, this.keep);
  }

  get isOn() {
    return this.kind !== null;
  }

  get text() {
    return this.isOn ? this.field.value.trim() : "";
  }

  set(text, chosen = null) {
    if (!this.isOn) return;
    this.field.value = text;
    this.chosen = chosen;
    this.grow();
    this.onChange(this.text);
  }

  edited() {
    this.chosen = null; // corrected: it is the person's own now
    this.grow();
    this.onChange(this.text);
  }

  // As many lines as the text has, up to four.
  grow() {
    this.field.rows = Math.min(4, Math.max(1, this.field.value.split("\n").length, Math.ceil(this.field.value.length / 90)));
  }

  focus() {
    this.field?.focus({ preventScroll: true });
  }

  leave() {
    this.root.focus({ preventScroll: true });
  }

  // What was written, or null with the reason (a catalogue key) why it is no answer.
  answer() {
    if (!this.text) return { text: null, problem: "nothing_written" };
    const plain = this.kind === "number" ? numberOf(this.text, this.say.decimal) : this.text;
    return { text: plain, problem: plain === null ? "no_number" : null };
  }

  submit() {
    this.onSubmit(this.answer());
  }
}
