// The lasting parts of the page: status bar, answer buttons, view tools, notices. They only show; the bench decides.

import { make } from "./text.js";

const LEAST_SETTLED = 10; // fewer settled answers say nothing about a person
const MARKS = new Set(["vad", "vad_segments", "speech_segments"]); // drawn, not read

export class Parts {
  // openField: which number of the progress is the length of this queue.
  constructor(root, say, onAction, openField) {
    Object.assign(this, { root, say, onAction, openField });
    this.at = Object.fromEntries([...root.querySelectorAll("[data-at]")].map((part) => [part.dataset.at, part]));
    this.toolButtons = {};
    for (const id of ["pause", "help", "full"]) this.at[id].addEventListener("click", () => onAction({ action: id }));
    this.at.refused.addEventListener("click", () => onAction({ action: "refused" }));
  }

  // Buttons with their keys; made again when keys or labels change. tools: [action, sign or null for words] of this kind of item.
  // isWritten: answers are written, not chosen.
  build(labels, bindings, tools, { isWritten, withBulk }) {
    const { say } = this;
    const cap = (id) => bindings[id].toUpperCase();
    const verb = (id, className) => this.button(say(`verb.${id}`), cap(id), { action: id }, className);
    const isPair = labels.some((label) => label.is_defect) && labels.some((label) => !label.is_defect);
    const classes = labels.filter((label) => label.key !== null && label.key !== undefined);
    const digits = classes.map((label) => this.button(label.title, String(label.key), { digit: String(label.key) }, isPair ? (label.is_defect ? "class bad" : "class good") : "class"));
    const hasMore = labels.length > classes.length; // some have no digit
    if (hasMore) digits.push(this.button(say("verb.find"), cap("find"), { action: "find" }, "class"));
    const firsts = isPair ? [verb("ok", "big good"), verb("not_ok", "big bad")] : [];
    if (isWritten) firsts.push(this.button(say("verb.write"), bindings.write.toUpperCase(), { action: "write" }, "big"));
    this.at.bulk.replaceChildren();
    this.bulkButton = withBulk ? this.button("", cap("bulk"), { action: "bulk" }, "class") : null;
    if (this.bulkButton) this.at.bulk.append(this.bulkButton);
    const main = make("div", { className: "main" }, [...firsts, ...["unsure", "skip", "undo", "comment"].map((id) => verb(id, "big"))]);
    main.style.setProperty("--n", firsts.length + 4);
    main.classList.toggle("even", !isPair);
    this.at.verbs.replaceChildren(main, ...(labels.length > 2 || (!isPair && labels.length) ? [make("div", { className: "classes" }, digits)] : []));
    this.at.verbs.setAttribute("aria-label", say("aria.verbs"));
    this.at.tools.setAttribute("aria-label", say("aria.tools"));
    this.at.tools.replaceChildren(...tools.map(([id, sign]) => this.tool(id, sign, bindings[id] ? cap(id) : "␣")));
    for (const id of ["pause", "help"]) this.at[id].replaceChildren(say(`action.${id}`), make("kbd", { text: cap(id) }));
    this.at.full.textContent = say("action.full");
  }

  // How many identical rows the next answer could go to, and whether it does.
  bulk(n, isOn) {
    this.at.bulk.hidden = n === 0 || !this.bulkButton;
    if (this.at.bulk.hidden) return;
    this.bulkButton.firstChild.textContent = this.say(isOn ? "bulk.on" : "bulk.off", { n });
    this.bulkButton.setAttribute("aria-pressed", String(isOn));
  }

  button(text, key, press, className) {
    const parts = [make("span", { text }), make("kbd", { text: key })];
    const button = make("button", { type: "button", className, "aria-keyshortcuts": key }, parts);
    button.addEventListener("click", () => {
      this.onAction(press);
      if (!this.root.querySelector('[role="dialog"]')) this.root.focus({ preventScroll: true });
    });
    return button;
  }

  tool(id, sign, key) {
    const button = this.button(sign ?? this.say(`action.${id}`), key, { action: id }, "tool");
    button.title = this.say(`action.${id}`);
    button.setAttribute("aria-label", this.say(`action.${id}`));
    this.toolButtons[id] = button;
    return button;
  }

  // Which tools are on, for eyes and for screen readers: {action: is on}.
  tools(on) {
    for (const [id, isOn] of Object.entries(on)) this.toolButtons[id]?.setAttribute("aria-pressed", String(isOn));
  }

  task(task, labelTitle, answer) {
    const { say, at } = this;
    at.mode.textContent = task ? say(`mode.${task.mode}`) : "";
    at.mode.hidden = !task;
    at.subject.textContent = task?.subject_id ?? "";
    const known = this.root.dataset.kind === "image" || this.root.dataset.kind === "audio" ? (task?.item?.inputs ?? {}) : {};
    const inputs = Object.entries(known).filter(([name, value]) => !MARKS.has(name) && ["string", "number"].includes(typeof value));
    at.context.title = inputs.map(([name, value]) => `${name}: ${value}`).join("\n"); // where the bar has no room
    at.context.textContent = inputs.slice(0, 5).map(([name, value]) => `${name}: ${value}`).join(" · ");
    at.answer.hidden = !answer;
    if (answer) at.answer.textContent = say("history.yours", { answer: answer.label ? labelTitle(answer.label) : say(`verb.${answer.verb}`) });
  }

  // The AI answer beside the person's own; null takes it away. mine, ai: words; agrees: true, false or null.
  reveal(shape) {
    const { say, at } = this;
    at.reveal.hidden = !shape;
    if (!shape) return;
    const { mine, ai, agrees, isWaiting, buttons } = shape;
    const words = [];
    if (isWaiting) words.push(make("span", { text: say("reveal.waiting") }));
    if (mine) words.push(make("span", {}, [`${say("reveal.mine")} `, make("b", { text: mine })]));
    if (ai) words.push(make("span", { className: "ai" }, [`${say("reveal.ai")} `, make("b", { text: ai })]));
    if (ai && typeof agrees === "boolean") words.push(make("span", { className: agrees ? "same" : "differs", text: say(agrees ? "reveal.same" : "reveal.differs") }));
    if (buttons.length > 1) words.push(make("span", { className: "hint", text: say("reveal.change") }));
    const row = buttons.map(({ label, key, press }) => this.button(label, key, press, "class"));
    at.reveal.replaceChildren(...words, make("span", { className: "row" }, row));
  }

  opinions(task, labelTitle) {
    const opinions = task?.opinions ?? [];
    this.at.opinions.hidden = opinions.length === 0;
    if (!opinions.length) return;
    const cards = opinions.map((opinion, index) => {
      const name = opinion.name ?? String.fromCharCode(65 + index);
      const answer = opinion.label ? labelTitle(opinion.label) : this.say(`verb.${opinion.verb ?? "unsure"}`);
      const words = opinion.comment ? [make("q", { text: opinion.comment })] : [];
      return make("div", { className: "opinion" }, [make("b", { text: name }), make("span", { text: answer }), ...words]);
    });
    this.at.opinions.replaceChildren(make("span", { className: "lead", text: this.say("opinions.lead") }), ...cards);
  }

  progress(progress, paceS) {
    const { say, at } = this;
    at.today.textContent = progress ? say("bar.today", { n: progress.done_today }) : "";
    at.open.textContent = progress ? say("bar.open", { n: progress[this.openField] }) : "";
    at.pace.textContent = paceS === null ? "" : say("bar.pace", { s: paceS });
    const share = progress?.n_settled >= LEAST_SETTLED ? Math.round((100 * progress.n_agreed) / progress.n_settled) : null;
    at.agreement.textContent = share === null ? "" : say("bar.agreed", { share });
    at.agreement.title = share === null ? "" : say("bar.agreement", { share, n: progress.n_settled });
  }

  unsent(journal, state) {
    const { say, at } = this;
    const n = journal.unsent;
    at.unsent.textContent = say("bar.unsent", { n }) + (journal.isDurable ? "" : ` ${say("bar.not_durable")}`);
    at.unsent.dataset.state = state === "idle" || state === "sending" ? (journal.isDurable ? "fine" : "bad") : "bad";
    at.unsent.title = say(`send.${state}`);
    at.refused.hidden = journal.refused.length === 0;
    at.refused.textContent = say("bar.refused", { n: journal.refused.length });
  }

  // A message over the picture, with buttons [{label, press}]; null takes it away.
  notice(notice) {
    this.at.notice.hidden = !notice;
    if (!notice) return;
    const signature = JSON.stringify(notice);
    if (this.at.notice.dataset.shown === signature) return; // do not take the focus from its buttons
    this.at.notice.dataset.shown = signature;
    const buttons = (notice.buttons ?? []).map(({ label, key, press }) => this.button(label, key, press, "primary"));
    this.at.notice.replaceChildren(make("h2", { text: notice.title }), make("p", { text: notice.body }), make("div", { className: "choices" }, buttons));
  }

  // A short word that goes away by itself; screen readers hear it.
  toast(text) {
    clearTimeout(this.fading);
    this.at.toast.textContent = text;
    this.at.toast.hidden = false;
    this.fading = setTimeout(() => (this.at.toast.hidden = true), 2500);
    this.live(text);
  }

  live(text) {
    this.at.live.textContent = text;
  }
}
