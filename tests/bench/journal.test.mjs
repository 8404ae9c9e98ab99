// The journal of unsent answers: nothing is lost over reloads and crashes, nothing of other people is touched.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Journal } from "../../review/screens/bench/journal.js";
import { MemoryStorage } from "./memory_storage.mjs";

const answer = (key, task = key) => ({ kind: "decide", key, task_id: task, body: { verb: "label", label: "ok" } });
const open = (storage, id, now = () => 1000, owner = "an") => new Journal(storage, owner, { now, id });

test("an answer that was never tried is forgotten by undo, one that was tried is not", () => {
  const journal = open(new MemoryStorage(), "a");
  journal.append(answer("1"));
  journal.append(answer("2"));
  journal.markTried("1");
  assert.equal(journal.dropUntried("2"), true);
  assert.equal(journal.dropUntried("1"), false);
  assert.deepEqual(journal.ops.map((op) => op.key), ["1"]);
});

test("a closed tab's answers are taken over at once, in their order, and only once", () => {
  const storage = new MemoryStorage();
  const first = open(storage, "a");
  first.append(answer("1"));
  first.append(answer("2"));
  first.close();
  const second = open(storage, "b");
  second.append(answer("3"));
  assert.equal(second.adopt(), 2);
  assert.deepEqual(second.ops.map((op) => op.key), ["1", "2", "3"]);
  assert.equal(second.adopt(), 0);
  assert.deepEqual(open(storage, "c").orphanKeys().length, 1);
});

test("a living tab's journal is left alone until it has been silent for long", () => {
  const storage = new MemoryStorage();
  open(storage, "a", () => 1000).append(answer("1"));
  assert.equal(open(storage, "b", () => 60_000).adopt(), 0);
  assert.equal(open(storage, "c", () => 92_000).adopt(), 1);
});

test("another person's answers are not touched", () => {
  const storage = new MemoryStorage();
  const other = open(storage, "a", undefined, "binh");
  other.append(answer("1"));
  other.close();
  assert.equal(open(storage, "b").adopt(), 0);
});

test("a refused answer stays readable until it was seen, also after a crash", () => {
  const storage = new MemoryStorage();
  const journal = open(storage, "a");
  journal.append(answer("1"));
  journal.refuse("1", "unknown label");
  journal.close();
  const next = open(storage, "b");
  next.adopt();
  assert.equal(next.unsent, 0);
  assert.equal(next.refused[0].reason, "unknown label");
  next.clearRefused();
  assert.equal(storage.length, 0);
});

test("a full storage keeps the answers in the tab and says that they are not durable", () => {
  const storage = new MemoryStorage();
  storage.setItem = () => {
    throw new Error("quota");
  };
  const journal = open(storage, "a");
  journal.append(answer("1"));
  assert.equal(journal.isDurable, false);
  assert.equal(journal.unsent, 1);
});

test("a damaged journal of another tab is passed over", () => {
  const storage = new MemoryStorage();
  storage.setItem("soi.bench.journal/an/x", "{broken");
  assert.equal(open(storage, "b").adopt(), 0);
});
