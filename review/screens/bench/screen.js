// Puts a task on the screen: the item as soon as it is ready, the right notice when it is not, the AI answer when it
// may be seen. What an item looks like is the face's business: picture, table, text or sound.

const RETRY_MS = 2000;

// Two frames later the picture that was drawn now is really on the screen.
function afterPaint(run) {
  requestAnimationFrame(() => requestAnimationFrame(run));
}

export class Screen {
  constructor({ parts, face, choices, writing, say, labelTitle, keyOf, emptyKey, kind }) {
    Object.assign(this, { parts, face, choices, writing, say, labelTitle, keyOf, emptyKey, kind });
    this.session = null;
    this.task = null;
    this.problem = null;
    this.isLoading = false;
  }

  warm(task) {
    this.face.warm(task);
  }

  // answer: what the person said about an earlier item; reveal: what the AI said about it, where it was shown.
  show(task, { answer, reveal } = {}) {
    this.task = task;
    this.problem = null;
    this.isLoading = false;
    this.parts.task(task, this.labelTitle, answer);
    this.parts.reveal(null);
    this.showChoices(task);
    this.writing.set(answer ? (answer.label ?? "") : this.session.draft);
    if (!task) this.face.clear();
    else if (this.face.paint(task)) this.drawn(task);
    else this.wait(task);
    this.face.captions();
    if (reveal) this.reveal(reveal, answer);
    this.refresh();
  }

  showChoices(task) {
    const opinions = this.writing.isOn ? (task?.opinions ?? []) : [];
    const list = opinions.map(({ name, label, comment }) => ({ name, text: label, comment }));
    this.choices.show(list, this.say("opinions.lead"));
    if (!this.writing.isOn) this.parts.opinions(task, this.labelTitle);
  }

  drawn(task) {
    afterPaint(() => this.painted(task));
  }

  painted(task) {
    if (this.task !== task) return;
    this.session.painted(task.id);
    this.parts.live([this.say("live.item", { subject: task.subject_id }), this.face.words(task)].filter(Boolean).join(". "));
    window.dispatchEvent(new CustomEvent("soi-bench-painted", { detail: { id: task.id, at: performance.now() } }));
  }

  async wait(task) {
    this.face.clear();
    this.isLoading = true;
    try {
      await this.face.get(task);
    } catch (failure) {
      return this.fail(task, failure);
    }
    if (this.task !== task) return;
    this.isLoading = false;
    if (this.face.paint(task)) this.drawn(task);
    this.face.captions();
    this.refresh();
  }

  fail(task, failure) {
    if (this.task !== task) return;
    this.isLoading = false;
    if (failure.kind === "refused") {
      this.problem = failure.code === "undecodable" ? "undecodable" : "missing";
      this.session.missing(task.id);
      this.parts.live(this.say(`notice.${this.problemKey}.title`));
    } else {
      this.problem = "unreachable";
      setTimeout(() => this.task === task && this.show(task), RETRY_MS);
    }
    this.refresh();
  }

  // Pictures are called pictures; for the rest there is one word.
  get problemKey() {
    return this.kind === "image" ? this.problem : `${this.problem}_item`;
  }

  // --- the AI answer ------------------------------------------------------------------------------------------

  reveal(reveal, own) {
    const { say } = this;
    const written = reveal.hypotheses ?? [];
    const isPast = this.session.back > 0;
    this.parts.reveal(this.revealShape(reveal, own, isPast));
    if (written.length) {
      this.choices.show(written, say("reveal.hypotheses"));
      this.writing.set(own?.label ?? "");
    }
    this.parts.live(written.length ? say("reveal.hypotheses") : say("live.reveal", { answer: this.titleOf(reveal.prediction) }));
    this.face.revealed(this.task);
    this.refresh();
    window.dispatchEvent(new CustomEvent("soi-bench-revealed", { detail: { id: this.task?.id } }));
  }

  revealShape(reveal, own, isPast) {
    const { say } = this;
    const mine = own?.label ? this.titleOf(own.label) : say(`verb.${own?.verb ?? "unsure"}`);
    const score = typeof reveal.score === "number" ? ` · ${Math.round(reveal.score * 100)} %` : "";
    const ai = reveal.hypotheses?.length ? null : this.titleOf(reveal.prediction) + score;
    return { mine, ai, agrees: reveal.agrees, buttons: isPast ? [] : this.revealButtons() };
  }

  revealButtons() {
    const { say } = this;
    return [
      { label: say("reveal.keep"), key: "Enter", press: { action: "confirm" } },
      { label: say("reveal.escalate"), key: this.keyOf("unsure"), press: { action: "unsure" } },
    ];
  }

  titleOf(answer) {
    return answer === null || answer === undefined || answer === "" ? this.say("reveal.none") : this.labelTitle(answer);
  }

  // --- notices ------------------------------------------------------------------------------------------------

  refresh() {
    if (this.session?.stage === "waiting" && this.session.back === 0) this.parts.reveal({ mine: null, ai: null, isWaiting: true, buttons: [{ label: this.say("reveal.go_on"), key: "Enter", press: { action: "confirm" } }] });
    this.parts.notice(this.noticeNow());
  }

  noticeNow() {
    const { say, session } = this;
    const queue = session?.queue;
    const notice = (key, buttons = [], params = {}) => ({ title: say(`${key}.title`), body: say(`${key}.body`, params), buttons });
    if (session?.isPaused) return notice("paused", [{ label: say("paused.resume"), key: this.keyOf("pause"), press: { action: "pause" } }]);
    if (this.task && this.problem) {
      const skip = { label: say("verb.skip"), key: this.keyOf("skip"), press: { action: "skip" } };
      return notice(`notice.${this.problemKey}`, this.problem === "unreachable" ? [] : [skip], { subject: this.task.subject_id });
    }
    if (this.task) return this.isLoading ? notice("notice.loading") : null;
    if (queue?.state === "ready") return notice("notice.loading");
    if (queue?.state === "empty") return notice(this.emptyKey);
    return notice(`notice.${{ loading: "loading", unreachable: "outage", signed_out: "signed_out" }[queue?.state] ?? "refused"}`, [], { message: queue?.message ?? "" });
  }

  captions() {
    this.face.captions();
  }

  tell(key, params) {
    this.parts.toast(this.say(`tell.${key}`, params));
  }
}
