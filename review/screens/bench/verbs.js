// What the answer keys do: agree, not OK, a class, unsure, skip, undo, comment, and the dialogs they open.

import { openHelp } from "./help.js";
import { ACTIONS, bindingsFrom, ownBindings } from "./keys.js";

const SKIP_REASONS = ["unclear", "damaged", "not_mine", "other"]; // as the server knows them

export class Verbs {
  // onBindings(bindings): the person chose other keys.
  constructor({ session, screen, dialog, journal, say, labels, api, kind, onBindings }) {
    Object.assign(this, { session, screen, dialog, journal, say, labels, api, kind, onBindings });
  }

  actions() {
    return {
      ok: () => this.ok(),
      not_ok: () => this.notOk(),
      find: () => this.find(this.labels, "choose.label"),
      unsure: () => this.decide("unsure"),
      skip: () => this.skip(),
      undo: () => this.session.undo(),
      comment: () => this.comment(),
      reveal: () => this.reveal(),
      write: () => this.screen.writing.isOn ? this.screen.writing.focus() : this.screen.tell("not_written"),
      pause: () => this.session.pause(),
      refused: () => this.showRefused(),
    };
  }

  reveal() {
    if (this.session.stage === "reveal" && this.session.back === 0) return this.screen.tell("in_view");
    this.session.lookUp();
  }

  // Enter: keep the answer after the AI answer came, or give the written one.
  confirm() {
    const { session, screen } = this;
    const isSecond = session.back === 0 && session.stage !== "first";
    if (isSecond && (!screen.writing.isOn || session.stage === "waiting" || screen.writing.text === (session.first.body.label ?? ""))) {
      session.keep();
    } else if (screen.writing.isOn && session.task) screen.writing.text ? screen.writing.submit() : screen.writing.focus();
  }

  // {text, problem} from the writing box.
  written({ text, problem }) {
    if (problem) return this.screen.tell(problem);
    const { chosen } = this.screen.writing;
    this.screen.writing.leave();
    const said = this.session.decide("label", text, { chosen });
    if (said) this.screen.parts.live(this.say("live.decided", { answer: text }));
  }

  digit(digit) {
    if (this.screen.choices.pick(Number(digit) - 1)) return;
    this.label(this.labels.find(({ key }) => String(key) === digit));
  }

  label(label) {
    if (!label) return this.screen.tell("no_such_label");
    this.decide("label", label);
  }

  decide(verb, label = null, more = {}) {
    const words = this.say("live.decided", { answer: label?.title ?? this.say(`verb.${verb}`) });
    if (this.session.decide(verb, label?.name ?? null, more)) this.screen.parts.live(words);
  }

  // True, and said, when the task may not be decided now.
  isBlocked(verb, ...except) {
    const obstacle = this.session.obstacle(verb);
    if (!obstacle || except.includes(obstacle)) return false;
    this.screen.tell(obstacle);
    return true;
  }

  // Where no class is a defect, none is "OK".
  ok() {
    const isPair = this.labels.some((label) => label.is_defect);
    this.label(isPair ? this.labels.find((label) => !label.is_defect) : undefined);
  }

  notOk() {
    const isPair = this.labels.some((label) => label.is_defect) && this.labels.some((label) => !label.is_defect);
    const defects = isPair ? this.labels.filter((label) => label.is_defect) : this.labels;
    if (defects.length <= 1) return this.label(defects[0]);
    const title = isPair ? "choose.defect" : "choose.label";
    if (defects.some(({ key }) => !key)) return this.find(defects, title);
    if (this.isBlocked("label")) return;
    this.dialog.choose(this.say(title), optionsOf(defects), (label) => this.label(label));
  }

  // A class by its name: the only way to one that has no digit.
  find(labels, title) {
    if (this.screen.writing.isOn) return this.screen.tell("not_chosen");
    if (this.isBlocked("label")) return;
    this.dialog.find(this.say(title), optionsOf(labels), (label) => this.label(label));
  }

  skip() {
    if (this.isBlocked("skip")) return;
    const isOther = this.kind !== "image";
    const words = (reason) => this.say(isOther && ["unclear", "damaged"].includes(reason) ? `skip.${reason}_item` : `skip.${reason}`);
    const options = SKIP_REASONS.map((value, index) => ({ value, key: String(index + 1), label: words(value) }));
    this.dialog.choose(this.say("choose.skip"), options, (reason) => {
      this.decide("skip", null, { skipReason: reason });
    });
  }

  comment() {
    if (this.isBlocked("comment", "too_fast", "not_painted")) return;
    const { session, say } = this;
    this.dialog.write(say("comment.title"), say("comment.hint"), session.comment, (written) => {
      session.comment = written;
      if (written) this.screen.tell("comment_kept");
    });
  }

  // Answers that the server would not take: shown with the reason until they have been seen.
  showRefused() {
    const line = ({ task_id, body, reason }) => `${task_id}: ${body?.label ?? body?.verb ?? ""} – ${reason}`;
    const title = `${this.say("refused.title")} ${this.journal.refused.map(line).join("; ")}`;
    this.dialog.choose(title, [{ value: true, key: "1", label: this.say("refused.seen") }], () => {
      this.journal.clearRefused();
      this.screen.refresh();
    });
  }

  help(bindings) {
    const rebind = (wanted) => {
      const bound = bindingsFrom(wanted);
      this.onBindings(bound);
      this.keep(bound);
      this.help(bound);
    };
    const onDefaults = () => rebind(Object.fromEntries(ACTIONS.map(({ id, key }) => [id, key])));
    openHelp(this.dialog, this.say, bindings, this.kind, { onChange: rebind, onDefaults });
  }

  // Own keys go with the person, not with the machine.
  async keep(bindings) {
    try {
      const { preferences } = await this.api.me();
      await this.api.savePreferences({ ...preferences, bench: { ...preferences?.bench, keys: ownBindings(bindings) } });
    } catch {
      this.screen.tell("keys_not_saved");
    }
  }
}

const optionsOf = (labels) => labels.map((label) => ({ value: label, key: String(label.key ?? ""), label: label.title }));
