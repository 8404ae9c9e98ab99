// Texts to choose from: what versions or people wrote, as A, B, ... with a digit each, compared with a reference.

import { make } from "./text.js";
import { compare } from "./wer.js";

export class Choices {
  // onPick(choice): taken by a digit or a click. withWords: words are compared, not numbers.
  constructor({ place, say, withWords, onPick }) {
    Object.assign(this, { place, say, withWords, onPick, list: [] });
  }

  // list: [{name, text, comment?}]; lead: the words in front of them.
  show(list, lead) {
    this.list = list;
    this.place.hidden = list.length === 0;
    const cards = list.map((choice, index) => this.card(choice, index));
    this.lines = cards.map(([, line]) => line);
    this.place.replaceChildren(make("span", { className: "lead", text: lead }), ...cards.map(([card]) => card));
  }

  card({ name, text, comment }, index) {
    const key = String(index + 1);
    const line = make("span", { className: "words", text: text ?? "" });
    const rate = make("span", { className: "rate" });
    const words = comment ? [make("q", { text: comment })] : [];
    const card = make("button", { type: "button", className: "opinion choice-card", "aria-keyshortcuts": key }, [make("b", { text: name }), line, rate, ...words, make("kbd", { text: key })]);
    card.addEventListener("click", () => this.pick(index));
    return [card, { line, rate }];
  }

  // True when there is such a choice.
  pick(index) {
    const choice = this.list[index];
    if (!choice?.text) return false;
    this.onPick(choice);
    return true;
  }

  // Which words differ from the reference, and how many of them.
  against(reference) {
    if (!this.withWords || !this.list.length) return;
    for (const [index, { text }] of this.list.entries()) {
      const { line, rate } = this.lines[index];
      const { rate: share, steps } = compare(reference, text ?? "");
      if (share === null) {
        line.textContent = text ?? "";
        rate.textContent = "";
        continue;
      }
      line.replaceChildren(...steps.flatMap((step) => [wordOf(step), " "]));
      rate.textContent = this.say("writing.wer", { share: Math.round(share * 1000) / 10 });
    }
  }
}

function wordOf({ kind, word, was }) {
  if (kind === "same") return make("span", { text: word });
  if (kind === "missing") return make("del", { text: was });
  return make("ins", { text: word, title: kind === "other" ? was : null });
}
