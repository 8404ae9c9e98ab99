// Sends the journal in order, one at a time, until it is empty: retries with back-off while the server is away,
// waits for a new sign-in, and puts an answer that the server refuses aside where the person sees it.

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 10_000;

export function backOff(failures, random = Math.random) {
  const ceiling = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1));
  return ceiling * (0.5 + random() / 2); // half of it random: a hundred benches do not come back in one instant
}

export class Sender {
  // send(op) -> answer, or throws ApiFailure; onChange() after every step; onSent(op, answer), onRefused(op)
  constructor({ journal, send, onChange, onSent, onRefused, timer = setTimeout, random = Math.random }) {
    Object.assign(this, { journal, send, onChange, onSent, onRefused, random });
    this.timer = (run, ms) => timer(run, ms);
    this.state = "idle"; // idle, sending, unreachable, signed_out
    this.failures = 0;
    this.isRunning = false;
    this.wake = null;
  }

  // There is something new to send, or the network is said to be back.
  kick() {
    if (this.wake) this.wake();
    else if (!this.isRunning) this.run();
  }

  async run() {
    this.isRunning = true;
    let op;
    while ((op = this.journal.first())) {
      this.journal.markTried(op.key);
      if (this.state === "idle") this.set("sending");
      await this.attempt(op);
    }
    this.isRunning = false;
    this.failures = 0;
    this.set("idle");
  }

  async attempt(op) {
    try {
      const answer = await this.send(op);
      this.failures = 0;
      this.journal.remove(op.key);
      this.set("sending");
      this.onSent(op, answer);
    } catch (failure) {
      if (failure.kind === "refused") {
        this.journal.refuse(op.key, failure.message);
        this.onRefused(op);
        return;
      }
      this.failures += 1;
      this.set(failure.kind === "signed_out" ? "signed_out" : "unreachable");
      await this.pause(failure.retryAfterMs ?? backOff(this.failures, this.random));
    }
  }

  pause(ms) {
    return new Promise((resolve) => {
      this.wake = () => {
        this.wake = null;
        resolve();
      };
      this.timer(() => this.wake?.(), ms);
    });
  }

  set(state) {
    this.state = state;
    this.onChange();
  }
}
