// One dialog at a time over the picture: choose one of a few, write a comment, read the help and change keys.
// While it is open it gets every key; Escape leaves it, the focus goes back to where it was.

import { make } from "./text.js";

export class Dialog {
  constructor(root, say) {
    Object.assign(this, { root, say, onKey: null, onEnter: null });
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
    this.onKey = this.onEnter = null;
    this.before?.focus?.();
  }

  // Tab stays inside the open dialog.
  keepFocus(event) {
    const stops = [...this.root.querySelectorAll("button, textarea")];
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

function moveFocus(buttons, direction) {
  const active = buttons[0].getRootNode().activeElement;
  const at = buttons.indexOf(active);
  buttons[(at + direction + buttons.length) % buttons.length].focus();
}
