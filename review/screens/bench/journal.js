// Decisions that the server has not confirmed yet, in localStorage, so that neither an outage nor a closed or
// crashed tab loses one. Each tab writes a journal of its own; a journal that nobody owns any more is adopted.

const PREFIX = "soi.bench.journal/";
const STALE_MS = 90_000; // browsers wake a hidden tab once a minute at least

export function makeId(random = Math.random, now = Date.now) {
  const part = () => Math.floor(random() * 2 ** 32).toString(16).padStart(8, "0");
  return `${now().toString(16)}-${part()}${part()}`;
}

export class Journal {
  constructor(storage, owner, { now = Date.now, id = makeId() } = {}) {
    this.storage = storage;
    this.now = now;
    this.prefix = `${PREFIX}${owner}/`;
    this.key = this.prefix + id;
    this.ops = [];
    this.refused = [];
    this.isDurable = true;
    this.isClosed = false;
  }

  get unsent() {
    return this.ops.filter((op) => op.kind === "decide").length;
  }

  first() {
    return this.ops[0] ?? null;
  }

  append(op) {
    this.ops.push({ tries: 0, ...op });
    this.save();
  }

  markTried(key) {
    const op = this.ops.find((each) => each.key === key);
    if (op) op.tries += 1;
    this.save();
  }

  remove(key) {
    this.ops = this.ops.filter((op) => op.key !== key);
    this.save();
  }

  // An answer that was never sent can simply be forgotten; true when that was enough to take it back.
  dropUntried(key) {
    const op = this.ops.find((each) => each.key === key);
    if (!op || op.tries > 0) return false;
    this.remove(key);
    return true;
  }

  // Kept and shown until the person has seen it: a refused answer is never thrown away silently.
  refuse(key, reason) {
    const op = this.ops.find((each) => each.key === key);
    if (op) this.refused.push({ ...op, reason });
    this.remove(key);
  }

  clearRefused() {
    this.refused = [];
    this.save();
  }

  save() {
    try {
      if (!this.ops.length && !this.refused.length) this.storage.removeItem(this.key);
      else {
        const { isClosed, ops, refused } = this;
        this.storage.setItem(this.key, JSON.stringify({ at: this.now(), isClosed, ops, refused }));
      }
      this.isDurable = true;
    } catch {
      this.isDurable = false; // storage full or forbidden: the answers live in this tab only, and the bar says so
    }
  }

  // Still here: nobody else may adopt this journal.
  touch() {
    if (this.ops.length || this.refused.length) this.save();
  }

  // The page goes away: whoever opens the bench next sends the rest at once.
  close() {
    this.isClosed = true;
    this.save();
  }

  // The browser brought the page back after all.
  reopen() {
    this.isClosed = false;
    this.touch();
  }

  // Take over what closed or crashed tabs of the same person left. Sending twice is harmless (idempotency key).
  adopt() {
    let adopted = 0;
    for (const key of this.orphanKeys()) {
      const left = this.read(key);
      if (!left || (!left.isClosed && this.now() - left.at < STALE_MS)) continue;
      const known = new Set(this.ops.map((op) => op.key));
      const news = (left.ops ?? []).filter((op) => !known.has(op.key));
      this.ops = [...news, ...this.ops];
      this.refused.push(...(left.refused ?? []));
      adopted += news.length;
      this.save();
      if (this.isDurable) this.storage.removeItem(key);
    }
    return adopted;
  }

  orphanKeys() {
    const keys = [];
    try {
      for (let i = 0; i < this.storage.length; i += 1) {
        const key = this.storage.key(i);
        if (key.startsWith(this.prefix) && key !== this.key) keys.push(key);
      }
    } catch {
      this.isDurable = false;
    }
    return keys.sort();
  }

  read(key) {
    try {
      return JSON.parse(this.storage.getItem(key));
    } catch {
      return null;
    }
  }
}
