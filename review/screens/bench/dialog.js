// One dialog at a time over the picture: choose one of a few, find one of many, write a comment, read the help.
// While it is open it gets every key; Escape leaves it, the focus goes back to where it was.

import { matching } from "./finding.js";
import { make } from "./text.js";

export class Dialog {
  constructor(root, say) {
    Object.assign(this, { root, say, onKey: null, onEnter: null, onArrow: null });
    root.addEventListener("click", (event) => event.target === root && this.close());
  }

  get isOpen() {
    return !this.root.hidden;
  }

  open(title, content, onKey) {
    this.before = this.root.getRootNode().activeElement;
    const heading = make("h2", { text: title, id: "dialog-title" });
    const leave = make("button", { type: "button", className: "leave", "aria-label": this.say("dialog.close"), text: "×" });
    leave.addEventListener("click", () => this.close());
    const card = make("div", { className: "card", role: "dialog", "aria-modal": "true", "aria-labelledby": "dialog-title" });
    card.append(make("header", {}, [heading, leave]), ...content);
    this.root.replaceChildren(card);
    this.root.hidden = false;
    this.onKey = onKey;
    (card.querySelector("[autofocus], .choice, input, textarea") ?? leave).focus();
  }

  close() {
    if (!this.isOpen) return;
    this.root.hidden = true;
    this.root.replaceChildren();
    this.onKey = this.onEnter = this.onArrow = null;
    this.before?.focus?.();
  }

  // Tab stays inside the open dialog.
  keepFocus(event) {
    const stops = [...this.root.querySelectorAll("button, textarea, input")];
    const active = this.root.getRootNode().activeElement;
    const [first, last] = [stops[0], stops[stops.length - 1]];
    if (active !== (event.shiftKey ? first : last)) return;
    event.preventDefault();
    (event.shiftKey ? last : first).focus();
  }

  // Options {value, key, label}: a digit picks one, arrows and Enter too.
  choose(title, options, onPick) {
    const pick = (option) => {
      this.close();
      onPick(option.value);
    };
    const buttons = options.map((option) => {
      const caps = option.key ? [make("kbd", { text: option.key.toUpperCase() })] : [];
      const button = make("button", { type: "button", className: "choice" }, [...caps, make("span", { text: option.label })]);
      button.addEventListener("click", () => pick(option));
      return button;
    });
    const list = make("div", { className: "choices" }, buttons);
    this.open(title, [list, make("p", { className: "hint", text: this.say("dialog.choose_hint") })], (press) => {
      const found = options.find((option) => option.key && option.key === (press?.digit ?? press?.letter));
      if (found && !press.isRepeat) pick(found);
      if (press?.action === "up" || press?.action === "down") moveFocus(buttons, press.action === "down" ? 1 : -1);
    });
  }

  // One of many: typing narrows the list, arrows move in it, Enter takes the marked one.
  find(title, options, onPick) {
    const state = { shown: options, at: 0 };
    const list = make("div", { className: "choices found", role: "listbox", id: "dialog-found", "aria-label": title });
    const field = make("input", { type: "text", role: "combobox", "aria-controls": "dialog-found", "aria-expanded": "true", "aria-label": title, autocomplete: "off", spellcheck: "false", autofocus: true, placeholder: this.say("dialog.find_hint") });
    const pick = (option) => {
      this.close();
      onPick(option.value);
    };
    const mark = (at) => {
      state.at = at;
      for (const [place, button] of [...list.children].entries()) button.setAttribute("aria-selected", String(place === at));
      const marked = list.children[at];
      field.setAttribute("aria-activedescendant", marked?.id ?? "");
      marked?.scrollIntoView?.({ block: "nearest" });
    };
    const narrow = () => {
      state.shown = matching(options, field.value);
      const none = make("p", { className: "hint", text: this.say("dialog.none_found") });
      list.replaceChildren(...(state.shown.length ? state.shown.map((option, place) => optionOf(option, place, pick)) : [none]));
      mark(0);
    };
    field.addEventListener("input", narrow);
    this.open(title, [field, list, make("p", { className: "hint", text: this.say("dialog.find_keys") })], null);
    this.onEnter = () => state.shown[state.at] && pick(state.shown[state.at]);
    this.onArrow = (direction) => state.shown.length && mark((state.at + direction + state.shown.length) % state.shown.length);
    narrow();
  }

  // Free text; Enter keeps it, Escape leaves it as it was.
  write(title, hint, value, onDone) {
    const field = make("textarea", { rows: 3, maxlength: 2000, "aria-label": title, autofocus: true });
    field.value = value;
    const done = make("button", { type: "button", className: "primary", text: this.say("dialog.keep") });
    const finish = () => {
      const written = field.value.trim();
      this.close();
      onDone(written);
    };
    done.addEventListener("click", finish);
    this.open(title, [field, make("p", { className: "hint", text: hint }), done], null);
    this.onEnter = finish;
    field.setSelectionRange(field.value.length, field.value.length);
  }
}

function optionOf(option, place, pick) {
  const caps = option.key ? [make("kbd", { text: option.key })] : [];
  const button = make("button", { type: "button", className: "choice", role: "option", tabindex: "-1", id: `dialog-found-${place}` }, [...caps, make("span", { text: option.label })]);
  button.addEventListener("click", () => pick(option));
  return button;
}

function moveFocus(buttons, direction) {
  const active = buttons[0].getRootNode().activeElement;
  const at = buttons.indexOf(active);
  buttons[(at + direction + buttons.length) % buttons.length].focus();
}
