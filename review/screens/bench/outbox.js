// Journal and sender of one person in this tab. It outlives the bench: what is unsent when the person goes to
// another screen, changes the language or comes back is still sent, once.

import { Journal } from "./journal.js";
import { Sender } from "./sender.js";

const HOUSEKEEPING_MS = 15_000;
const NOBODY = { changed() {}, sent() {}, refused() {} };

export class Outbox {
  constructor(api, userId, storage) {
    Object.assign(this, { api, userId, listener: NOBODY });
    this.journal = new Journal(storage, userId);
    this.sender = new Sender({
      journal: this.journal,
      send: (op) => this.send(op),
      onChange: () => this.listener.changed(),
      onSent: (op, answer) => this.listener.sent(op, answer),
      onRefused: (op) => this.listener.refused(op),
    });
  }

  // The bench that is on the page now: changed(), sent(op, answer), refused(op).
  attach(listener) {
    this.listener = listener;
    this.journal.adopt();
    this.sender.kick();
  }

  detach(listener) {
    if (this.listener === listener) this.listener = NOBODY;
  }

  kick() {
    this.sender.kick();
  }

  // Watch the page for as long as it lives.
  watch(page) {
    page.addEventListener("online", () => this.kick());
    page.addEventListener("beforeunload", (event) => this.journal.unsent > 0 && event.preventDefault());
    page.addEventListener("pagehide", () => this.journal.close());
    page.addEventListener("pageshow", () => this.journal.reopen());
    setInterval(() => {
      this.journal.touch();
      if (this.journal.adopt()) this.kick();
    }, HOUSEKEEPING_MS);
    return this;
  }

  async send(op) {
    if (this.sender.failures > 0) await this.checkPerson();
    if (op.kind === "undo") return this.api.undo(op.body);
    return this.api.decide(op.task_id, { ...op.body, idempotency_key: op.key });
  }

  // After a failure somebody may have signed in anew: answers of one person are never sent in another's name.
  async checkPerson() {
    const me = await this.api.me();
    if (String(me.id) === String(this.userId)) return;
    const error = new Error("another person signed in");
    error.kind = "signed_out";
    throw error;
  }
}

const outboxes = new Map();

// The one outbox of a person in this tab.
export function outboxOf(api, userId) {
  if (!outboxes.has(userId)) outboxes.set(userId, new Outbox(api, userId, window.localStorage).watch(window));
  return outboxes.get(userId);
}
