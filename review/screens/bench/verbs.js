// What the answer keys do: agree, not OK, a class, unsure, skip, undo, comment, and the dialogs they open.

import { openHelp } from "./help.js";
import { ACTIONS, bindingsFrom, ownBindings } from "./keys.js";

const SKIP_REASONS = ["unclear", "picture", "not_mine", "other"];

export class Verbs {
  // onBindings(bindings): the person chose other keys.
  constructor({ session, screen, dialog, journal, say, labels, api, onBindings }) {
    Object.assign(this, { session, screen, dialog, journal, say, labels, api, onBindings });
  }

  actions() {
    return {
      ok: () => this.label(this.labels.find((label) => !label.is_defect)),
      not_ok: () => this.notOk(),
      unsure: () => this.decide("unsure"),
      skip: () => this.skip(),
      undo: () => this.session.undo(),
      comment: () => this.comment(),
      reveal: () => this.screen.tell("no_answer_shown"),
      pause: () => this.session.pause(),
      refused: () => this.showRefused(),
    };
  }

  digit(digit) {
    this.label(this.labels.find(({ key }) => String(key) === digit));
  }

  label(label) {
    if (!label) return this.screen.tell("no_such_label");
    this.decide("label", label);
  }

  decide(verb, label = null, comment = undefined) {
    const words = this.say("live.decided", { answer: label?.title ?? this.say(`verb.${verb}`) });
    if (this.session.decide(verb, label?.name ?? null, comment)) this.screen.parts.live(words);
  }

  // True, and said, when the task may not be decided now.
  isBlocked(verb, ...except) {
    const obstacle = this.session.obstacle(verb);
    if (!obstacle || except.includes(obstacle)) return false;
    this.screen.tell(obstacle);
    return true;
  }

  notOk() {
    const defects = this.labels.filter((label) => label.is_defect);
    if (defects.length <= 1) return this.label(defects[0]);
    if (this.isBlocked("label")) return;
    const options = defects.map((label) => ({ value: label, key: String(label.key ?? ""), label: label.title }));
    this.dialog.choose(this.say("choose.defect"), options, (label) => this.label(label));
  }

  skip() {
    if (this.isBlocked("skip")) return;
    const words = (reason) => this.say(`skip.${reason}`);
    const options = SKIP_REASONS.map((value, index) => ({ value, key: String(index + 1), label: words(value) }));
    this.dialog.choose(this.say("choose.skip"), options, (reason) => {
      this.decide("skip", null, [words(reason), this.session.comment].filter(Boolean).join(": "));
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
    openHelp(this.dialog, this.say, bindings, {
      onBind: (action, key) => rebind({ ...bindings, [action]: key }),
      onDefaults: () => rebind(Object.fromEntries(ACTIONS.map(({ id, key }) => [id, key]))),
    });
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
