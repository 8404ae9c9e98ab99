// What happens at the bench, without a page: which task is on, what may be done with it now, how an answer is
// kept, taken back and shown again. The page calls it and is told through `screen`.

import { makeId } from "./journal.js";

export const GUARD_MS = 120; // two key-downs of one finger; nobody judges a picture faster
const HISTORY = 50;
const SHOWING = ["assist", "reveal"]; // modes that show the AI answer after the person's own

export class Session {
  // screen: show(task, {answer}), refresh(), tell(key, params). kick(): there is something to send.
  constructor({ queue, journal, api, kick, screen, request, clock = () => performance.now(), newKey = makeId }) {
    Object.assign(this, { queue, journal, api, kick, screen, request, clock, newKey });
    this.task = null;
    this.history = []; // {task, op}, oldest first
    this.back = 0; // how many steps back the screen shows; 0 is the task to be decided
    this.paintedAt = null;
    this.away = { since: null, ms: 0 };
    this.comment = "";
    this.draft = ""; // what is being written, for when the person looks back meanwhile
    this.boxes = [];
    this.isMissing = false;
    this.isPaused = false;
    this.alike = 0; // how many identical rows the next answer goes to as well
    this.aside = new Map(); // answer's key -> waiting tasks that it covers, until the server has said which
    this.stage = "first"; // first; waiting for the AI answer; reveal: keep, change or escalate
    this.first = null; // what was answered before the AI answer came: {key, task, body, reveal}
    this.pace = []; // how long this person's last answers took, own eyes only
  }

  // The queue has something new, or lost it: put the next task on screen when there is none.
  onQueue() {
    if (!this.task && !this.isPaused && this.queue.waiting.length) this.advance();
    else this.screen.refresh();
  }

  advance() {
    this.put(this.queue.take());
  }

  put(task) {
    Object.assign(this, { task, back: 0, paintedAt: null, comment: "", draft: "", boxes: [], isMissing: false, alike: 0 });
    Object.assign(this, { stage: "first", first: null });
    this.away = { since: null, ms: 0 };
    this.screen.show(task, {});
  }

  // The picture of this task is on the screen now.
  painted(id) {
    if (this.task?.id === id && this.back === 0 && this.paintedAt === null) this.paintedAt = this.clock();
  }

  missing(id) {
    if (this.task?.id === id) this.isMissing = true;
  }

  // The page is hidden or seen again; the time away is not thinking time.
  hidden(isHidden) {
    if (isHidden) this.away.since ??= this.clock();
    else if (this.away.since !== null) {
      this.away.ms += this.clock() - this.away.since;
      this.away.since = null;
    }
  }

  // Why the task may not be decided now (a catalogue key), or null.
  obstacle(verb) {
    if (this.isPaused) return "paused";
    if (!this.task) return "nothing_here";
    if (this.back > 0) return "looking_back";
    if (this.stage === "waiting") return "waiting_reveal";
    if (this.isMissing) return verb === "label" ? "missing_no_label" : null;
    if (this.paintedAt === null) return "not_painted";
    return this.clock() - this.paintedAt < GUARD_MS ? "too_fast" : null;
  }

  // Keep the answer and go on to the next task in the same instant, or wait for the AI answer where the mode shows
  // it; true when it was taken.
  decide(verb, label = null, { comment = this.comment, chosen = null, skipReason = null } = {}) {
    const obstacle = this.obstacle(verb);
    if (obstacle) {
      this.screen.tell(obstacle);
      return false;
    }
    const { task } = this;
    const body = this.answerBody(verb, label, { comment, chosen, skipReason });
    const op = { kind: "decide", key: this.newKey(), task_id: task.id, body };
    this.journal.append(op);
    this.remember(task, op);
    if (body.alike) this.setAside(task, op.key);
    if (this.stage === "first" && verb !== "skip" && SHOWING.includes(task.mode)) this.awaitReveal(task, op);
    else this.goOn();
    this.kick();
    return true;
  }

  goOn() {
    this.queue.current = null;
    this.advance();
  }

  answerBody(verb, label, { comment, chosen, skipReason }) {
    const duration = this.paintedAt === null ? 0 : this.clock() - this.paintedAt - this.away.ms;
    const body = { lease_token: this.task.lease_token, verb, duration_ms: Math.max(0, Math.round(duration)) };
    if (label !== null) body.label = label;
    if (comment) body.comment = comment;
    if (skipReason !== null) body.skip_reason = skipReason;
    if (this.boxes.length) body.boxes = this.boxes;
    if (this.stage === "reveal") body.revealed_ms = this.first.revealedMs;
    if (chosen !== null) body.chosen = chosen;
    if (this.alike && verb === "label") body.alike = this.alike;
    return body;
  }

  // --- the AI answer, after the person's own ------------------------------------------------------------------

  awaitReveal(task, op) {
    const entry = this.history.at(-1);
    this.stage = "waiting";
    this.first = { key: op.key, body: op.body, entry, startedAt: this.paintedAt };
    this.screen.refresh();
  }

  // The server stored an answer. The AI answer comes with it, or not at all: then there is nothing to wait for.
  onSent(op, answer) {
    this.settleAside(op.key, answer?.alike_ids ?? []);
    if (this.stage !== "waiting" || op.key !== this.first.key) return;
    if (answer?.reveal) this.reveal(answer.reveal);
    else this.goOn();
  }

  onRefused(op) {
    this.settleAside(op.key, []);
    if (this.stage === "waiting" && op.key === this.first.key) this.goOn();
  }

  reveal(reveal) {
    const now = this.clock();
    this.stage = "reveal";
    this.first.entry.reveal = reveal;
    this.first.reveal = reveal;
    this.first.revealedMs = Math.max(0, Math.round(now - (this.first.startedAt ?? now)));
    this.paintedAt = now; // the second answer has a time of its own
    this.away = { since: null, ms: 0 };
    this.screen.reveal(reveal, this.first.body);
  }

  // Keep the first answer: with the AI answer in view it is said again, without it it simply stands.
  keep() {
    if (this.stage === "waiting") return this.goOn();
    const { verb, label } = this.first.body;
    return this.decide(verb, label ?? null);
  }

  // --- identical rows -----------------------------------------------------------------------------------------

  setAside(task, key) {
    const inputs = JSON.stringify(task.item?.inputs ?? {});
    this.aside.set(key, this.queue.takeOut((other) => other.mode === "blind" && JSON.stringify(other.item?.inputs ?? {}) === inputs));
  }

  settleAside(key, done) {
    const left = (this.aside.get(key) ?? []).filter(({ id }) => !done.includes(id));
    this.aside.delete(key);
    if (left.length) this.queue.giveBack(left);
  }

  remember(task, op) {
    this.history.push({ task, op, first: this.stage === "reveal" ? this.first : null });
    if (this.history.length > HISTORY) this.history.shift();
    this.pace.push(op.body.duration_ms);
    if (this.pace.length > 100) this.pace.shift();
  }

  // The usual seconds per answer, or null before the first one.
  get paceS() {
    if (!this.pace.length) return null;
    const sorted = [...this.pace].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] / 1000;
  }

  // Take the last answer back. One that was never sent is forgotten; else the server reopens the task.
  undo() {
    if (this.isPaused) return this.screen.tell("paused");
    const last = this.history.pop();
    if (!last) return this.undoElsewhere();
    if (this.journal.dropUntried(last.op.key)) this.settleAside(last.op.key, []);
    else {
      const body = { ...this.request, answer: last.op.key };
      this.journal.append({ kind: "undo", key: this.newKey(), task_id: last.task.id, body });
    }
    this.pace.pop();
    this.reopen(last.task);
    if (last.first) this.backToReveal(last.first);
    this.kick();
    return true;
  }

  // The answer that was taken back was the second one: the first still stands, and the AI answer is in view again.
  backToReveal(first) {
    this.first = { ...first };
    this.stage = "reveal";
    this.paintedAt = this.clock();
    this.screen.reveal(first.reveal, first.body);
  }

  // Nothing decided since this page was opened: the server knows what came before.
  async undoElsewhere() {
    try {
      this.reopen(await this.api.undo({ ...this.request }));
    } catch (failure) {
      this.screen.tell(failure.kind === "refused" ? "nothing_to_undo" : "unreachable_now");
    }
  }

  reopen(task) {
    this.queue.putBack(task);
    this.put(task);
    this.screen.tell("undone");
  }

  // The server confirmed an undo: the reopened task has a new lease.
  onUndone(op, task) {
    for (const known of [this.queue.current, this.task, ...this.queue.waiting]) {
      if (known?.id === op.task_id) known.lease_token = task.lease_token;
    }
    for (const later of this.journal.ops) {
      if (later.kind === "decide" && later.task_id === op.task_id) later.body.lease_token = task.lease_token;
    }
    this.journal.save();
  }

  // The server would not undo (too long ago, or settled meanwhile): that answer stands.
  onUndoRefused(op) {
    this.screen.tell("undo_refused");
    this.queue.waiting = this.queue.waiting.filter((task) => task.id !== op.task_id);
    if (this.task?.id === op.task_id) this.advance();
  }

  // Look at own earlier answers: -1 further back, +1 towards now.
  look(direction) {
    const back = this.back - direction;
    if (back < 0 || back > this.history.length) return;
    this.back = back;
    if (back === 0) {
      this.screen.show(this.task, {});
      if (this.stage === "reveal") this.screen.reveal(this.first.reveal, this.first.body);
    } else {
      const { task, op, reveal } = this.history[this.history.length - back];
      this.screen.show(task, { answer: op.body, reveal });
    }
  }

  // Ask for the AI answer about the own earlier item in view; the server decides and writes it down.
  async lookUp() {
    if (this.back === 0) return this.screen.tell(SHOWING.includes(this.task?.mode) ? "answer_first" : "no_answer_shown");
    const entry = this.history[this.history.length - this.back];
    try {
      entry.reveal = await this.api.reveal(entry.task.id, entry.op.body.duration_ms);
    } catch (failure) {
      return this.screen.tell(failure.kind === "refused" ? "no_answer_shown" : "unreachable_now");
    }
    if (this.history[this.history.length - this.back] === entry) this.screen.reveal(entry.reveal, entry.op.body);
  }

  // Leases go back to the others; nothing is shown until the person comes back.
  pause() {
    this.isPaused = !this.isPaused;
    this.put(null);
    if (this.isPaused) this.queue.stop();
    else this.queue.start();
    this.screen.refresh();
  }
}
