// Sending the journal: in order, again after an outage, never past a refused answer silently.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiFailure } from "../../review/screens/bench/api.js";
import { Journal } from "../../review/screens/bench/journal.js";
import { backOff, Sender } from "../../review/screens/bench/sender.js";
import { ManualTimer, MemoryStorage, settle } from "./memory_storage.mjs";

const answer = (key) => ({ kind: "decide", key, task_id: key, body: {} });

function desk(send) {
  const seen = { sent: [], refused: [], states: [] };
  const journal = new Journal(new MemoryStorage(), "an", { id: "a" });
  const timer = new ManualTimer();
  const sender = new Sender({
    journal,
    send,
    timer: timer.set,
    random: () => 0.5,
    onChange: () => seen.states.push(sender?.state),
    onSent: (op) => seen.sent.push(op.key),
    onRefused: (op) => seen.refused.push(op.key),
  });
  return { seen, journal, timer, sender };
}

test("answers go out one at a time in the order of the keys", async () => {
  let running = 0;
  const { seen, journal, sender } = desk(async () => {
    running += 1;
    assert.equal(running, 1);
    await Promise.resolve();
    running -= 1;
  });
  for (const key of ["1", "2", "3"]) journal.append(answer(key));
  sender.kick();
  sender.kick();
  await settle();
  assert.deepEqual(seen.sent, ["1", "2", "3"]);
  assert.equal(sender.state, "idle");
});

test("an outage keeps every answer and sends each once the server is back", async () => {
  let isDown = true;
  const arrived = [];
  const { seen, journal, timer, sender } = desk(async (op) => {
    if (isDown) throw new ApiFailure("unreachable", 503, "unavailable", "down");
    arrived.push(op.key);
  });
  journal.append(answer("1"));
  sender.kick();
  await settle();
  journal.append(answer("2"));
  await timer.fire();
  assert.equal(sender.state, "unreachable");
  assert.equal(journal.unsent, 2);
  isDown = false;
  await timer.fire();
  assert.deepEqual(arrived, ["1", "2"]);
  assert.deepEqual(seen.sent, ["1", "2"]);
  assert.equal(journal.unsent, 0);
});

test("a refused answer is put aside with the reason and the next one goes on", async () => {
  const { seen, journal, sender } = desk(async (op) => {
    if (op.key === "1") throw new ApiFailure("refused", 422, "unknown_label", "not a label");
  });
  journal.append(answer("1"));
  journal.append(answer("2"));
  sender.kick();
  await settle();
  assert.deepEqual(seen.refused, ["1"]);
  assert.deepEqual(seen.sent, ["2"]);
  assert.equal(journal.refused[0].reason, "not a label");
});

test("signed out waits instead of dropping", async () => {
  const { journal, sender } = desk(async () => {
    throw new ApiFailure("signed_out", 401, "not_authenticated", "sign in");
  });
  journal.append(answer("1"));
  sender.kick();
  await settle();
  assert.equal(sender.state, "signed_out");
  assert.equal(journal.unsent, 1);
});

test("waits grow to ten seconds and are never the same for all benches", () => {
  assert.equal(backOff(1, () => 1), 400);
  assert.equal(backOff(3, () => 1), 1600);
  assert.equal(backOff(30, () => 1), 10_000);
  assert.equal(backOff(30, () => 0), 5_000);
});
