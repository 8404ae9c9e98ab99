// The local queue: up to three tasks claimed ahead with their pictures decoded, leases kept alive while they
// wait, and given back on pause or leave.

const AHEAD = 3;
const HEARTBEAT_MS = 60_000;
const EMPTY_POLL_MS = 4_000;
const RETRY_MS = 1_500;

export class TaskQueue {
  // api: claim, heartbeat, release. warm(task) starts loading its pictures. isHeld(id): already answered here.
  // restMs: how long after a task was taken the next one is fetched, so that fetching does not delay the painting.
  constructor({ api, request, warm, isHeld = () => false, onChange = () => {}, timer = setTimeout, restMs = 0 }) {
    Object.assign(this, { api, request, warm, isHeld, onChange, restMs, ahead: AHEAD });
    this.timer = (run, ms) => timer(run, ms);
    this.waiting = [];
    this.current = null;
    this.state = "loading"; // loading, ready, empty, unreachable, signed_out, refused
    this.message = "";
    this.isFilling = false;
    this.isStopped = true;
    this.turn = 0;
    this.polls = 0;
  }

  start() {
    this.isStopped = false;
    this.turn += 1;
    this.fill();
    this.beat(this.turn);
  }

  // The next task, or null; refills in the background.
  take() {
    this.current = this.waiting.shift() ?? null;
    if (this.restMs && this.waiting.length) this.timer(() => this.fill(), this.restMs);
    else this.fill();
    return this.current;
  }

  // `task` comes back on screen; what was there waits in front of the others.
  putBack(task) {
    if (this.current && this.current.id !== task.id) this.waiting.unshift(this.current);
    this.waiting = this.waiting.filter((each) => each.id !== task.id);
    this.current = task;
  }

  // Waiting tasks that `isWanted` leave the queue; their leases stay with whoever took them out.
  takeOut(isWanted) {
    const taken = this.waiting.filter(isWanted);
    this.waiting = this.waiting.filter((task) => !isWanted(task));
    return taken;
  }

  knows(id) {
    return this.current?.id === id || this.waiting.some((task) => task.id === id) || this.isHeld(id);
  }

  async fill() {
    const missing = this.ahead - this.waiting.length;
    if (this.isStopped || this.isFilling || missing <= 0) return;
    this.isFilling = true;
    const { turn } = this;
    let again = null;
    try {
      const n = missing + (this.current ? 0 : 1);
      const claimed = await this.api.claim({ ...this.request, n });
      const news = claimed.filter((task) => !this.knows(task.id));
      if (this.isStopped || turn !== this.turn) this.giveBack(news);
      else again = this.accept(news);
    } catch (failure) {
      this.state = failure.kind ?? "unreachable";
      this.message = failure.message;
      again = failure.retryAfterMs ?? RETRY_MS;
    }
    this.isFilling = false;
    this.onChange();
    if (again !== null) this.fillLater(again);
  }

  // Only the latest appointment counts.
  fillLater(ms) {
    this.polls += 1;
    const mine = this.polls;
    this.timer(() => mine === this.polls && this.fill(), ms);
  }

  accept(tasks) {
    this.waiting.push(...tasks);
    tasks.forEach(this.warm);
    const isEmpty = !this.waiting.length && !this.current;
    this.state = isEmpty ? "empty" : "ready";
    this.message = "";
    return tasks.length ? null : EMPTY_POLL_MS;
  }

  async beat(turn) {
    if (this.isStopped || turn !== this.turn) return;
    for (const task of [this.current, ...this.waiting]) {
      if (task && !this.isHeld(task.id)) await this.renew(task);
    }
    this.timer(() => this.beat(turn), HEARTBEAT_MS);
  }

  async renew(task) {
    try {
      await this.api.heartbeat(task.id, task.lease_token);
    } catch (failure) {
      // Lost while it waited: somebody else has it. The one on screen stays: a late answer is still accepted.
      if (failure.kind === "refused") this.waiting = this.waiting.filter((each) => each !== task);
    }
  }

  // Pause or leave: every task that is not answered goes back to the others at once.
  stop(options) {
    this.isStopped = true;
    this.turn += 1;
    const held = [this.current, ...this.waiting].filter((task) => task && !this.isHeld(task.id));
    this.waiting = [];
    this.current = null;
    return this.giveBack(held, options);
  }

  async giveBack(tasks, options) {
    if (!tasks.length) return;
    try {
      await this.api.release(tasks.map(({ id, lease_token }) => ({ id, lease_token })), options);
    } catch {
      // the lease runs out by itself
    }
  }
}
