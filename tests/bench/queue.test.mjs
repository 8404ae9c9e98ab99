// The local queue: three ahead, never the same task twice, leases given back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiFailure } from "../../review/screens/bench/api.js";
import { TaskQueue } from "../../review/screens/bench/queue.js";
import { ManualTimer, settle } from "./memory_storage.mjs";

const task = (n) => ({ id: `t${n}`, lease_token: `l${n}`, item: {} });

function desk(over = {}) {
  const seen = { claims: [], released: [], beats: [], warmed: [] };
  let next = 1;
  const api = {
    claim: async ({ n }) => {
      seen.claims.push(n);
      return Array.from({ length: n }, () => task(next++));
    },
    release: async (tasks) => seen.released.push(...tasks.map(({ id }) => id)),
    heartbeat: async (id) => seen.beats.push(id),
    ...over,
  };
  const timer = new ManualTimer();
  const queue = new TaskQueue({ api, request: { model: "m" }, warm: ({ id }) => seen.warmed.push(id), timer: timer.set });
  return { queue, seen, timer };
}

test("at the start one to show and three ahead are claimed, then one per answer", async () => {
  const { queue, seen } = desk();
  queue.start();
  await settle();
  assert.deepEqual(seen.claims, [4]);
  assert.equal(queue.take().id, "t1");
  await settle();
  assert.equal(queue.waiting.length, 3);
  queue.take();
  await settle();
  assert.deepEqual(seen.claims, [4, 1]);
  assert.deepEqual(seen.warmed, ["t1", "t2", "t3", "t4", "t5"]);
});

test("a task that is here already or answered already is not queued again", async () => {
  const { queue } = desk({ claim: async () => [task(1), task(2)] });
  queue.isHeld = (id) => id === "t2";
  queue.start();
  await settle();
  queue.take();
  await settle();
  assert.deepEqual(queue.waiting, []);
});

test("pause gives every unanswered task back, and a claim that was under way too", async () => {
  let answer;
  const { queue, seen } = desk();
  queue.start();
  await settle();
  queue.take();
  queue.api.claim = () => new Promise((resolve) => (answer = resolve));
  queue.take();
  await settle();
  await queue.stop();
  assert.deepEqual(seen.released, ["t2", "t3", "t4"]);
  answer([task(9)]);
  await settle();
  assert.deepEqual(seen.released, ["t2", "t3", "t4", "t9"]);
});

test("an empty queue says so and asks again later, once", async () => {
  const { queue, timer } = desk({ claim: async () => [] });
  queue.start();
  await settle();
  assert.equal(queue.state, "empty");
  queue.take();
  await settle();
  queue.api.claim = async () => [task(5)];
  await timer.fire();
  assert.equal(queue.state, "ready");
  assert.equal(queue.waiting.length, 1);
});

test("an outage is said and claims go on by themselves", async () => {
  const { queue, timer } = desk({
    claim: async () => {
      throw new ApiFailure("unreachable", 0, "unreachable", "down");
    },
  });
  queue.start();
  await settle();
  assert.equal(queue.state, "unreachable");
  queue.api.claim = async () => [task(1)];
  await timer.fire();
  assert.equal(queue.state, "ready");
});

test("a lease lost while waiting takes the task away, the one on screen stays", async () => {
  const { queue, timer } = desk();
  queue.start();
  await settle();
  queue.take();
  queue.api.heartbeat = async () => {
    throw new ApiFailure("refused", 409, "lease_lost", "gone");
  };
  await timer.fire();
  assert.equal(queue.current.id, "t1");
  assert.equal(queue.waiting.some(({ id }) => ["t2", "t3", "t4"].includes(id)), false);
});

test("an undone task comes back on screen and the one that was there waits in front", async () => {
  const { queue } = desk();
  queue.start();
  await settle();
  const first = queue.take();
  queue.take();
  queue.putBack(first);
  assert.equal(queue.current.id, "t1");
  assert.deepEqual(queue.waiting.slice(0, 2).map(({ id }) => id), ["t2", "t3"]);
});
