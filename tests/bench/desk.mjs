// One tab of one person without a browser: the bench's own queue, session, journal and sender against a real server.
// node desk.mjs '{"base", "token", "user", "model", "storage", "n", "ahead", "hurry", "silent_ms"}'
// Answers `n` items and prints {"said": {task, label, key}} for each; {"made": n} when it has; {"sent": n} when the
// server has confirmed all that the journal held. `hurry`: waits are so many times shorter. `silent_ms`: the clock is so
// far ahead, as when the tab before has been silent for so long.

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { makeApi } from "../../review/screens/bench/api.js";
import { Outbox } from "../../review/screens/bench/outbox.js";
import { TaskQueue } from "../../review/screens/bench/queue.js";
import { Session } from "../../review/screens/bench/session.js";
import { MemoryStorage } from "./memory_storage.mjs";

const LABELS = ["ok", "open", "short", "pin_hole"];
const given = { ahead: 3, hurry: 1, silent_ms: 0, ...JSON.parse(process.argv[2]) };

// localStorage that outlives a killed process, as a browser's does.
class FileStorage extends MemoryStorage {
  constructor(path) {
    super();
    this.path = path;
    if (existsSync(path)) this.map = new Map(JSON.parse(readFileSync(path, "utf8")));
  }

  setItem(key, value) {
    super.setItem(key, value);
    this.save();
  }

  removeItem(key) {
    super.removeItem(key);
    this.save();
  }

  save() {
    writeFileSync(`${this.path}.new`, JSON.stringify([...this.map]));
    renameSync(`${this.path}.new`, this.path);
  }
}

const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const timer = (run, ms) => setTimeout(run, ms / given.hurry);
const signed = (path, options) => fetch(path, { ...options, headers: { ...options.headers, authorization: `Bearer ${given.token}` } });
const api = makeApi(signed, given.base);
const outbox = new Outbox(api, given.user, new FileStorage(given.storage));
outbox.sender.timer = timer;
outbox.journal.now = () => Date.now() + given.silent_ms;

let time = 0;
let n = 0;
const queue = new TaskQueue({
  api,
  timer,
  request: { model: given.model },
  warm: () => {},
  isHeld: (id) => session.history.some(({ task }) => task.id === id) || outbox.journal.ops.some((op) => op.task_id === id),
  onChange: () => session.onQueue(),
});
queue.ahead = given.ahead;
const session = new Session({
  queue,
  journal: outbox.journal,
  api,
  kick: () => outbox.kick(),
  request: { model: given.model },
  clock: () => time,
  screen: { show: (task) => task && setTimeout(() => answer(task), 5), reveal() {}, refresh() {}, tell() {} },
});

function answer(task) {
  if (n === given.n || session.task !== task) return;
  session.painted(task.id);
  time += 1000;
  const label = LABELS[n % LABELS.length];
  n += 1;
  session.decide("label", label);
  const { key } = session.history.at(-1).op;
  tell({ said: { task: task.id, label, key } });
  if (n === given.n) tell({ made: n });
  endWhenSent();
}

function endWhenSent() {
  if (n < given.n || outbox.journal.ops.length) return;
  tell({ sent: n, refused: outbox.journal.refused });
  process.exit(0);
}

outbox.attach({ changed() {}, sent: (op, answered) => (session.onSent(op, answered), endWhenSent()), refused: endWhenSent });
if (given.n > 0) queue.start();
else endWhenSent();
