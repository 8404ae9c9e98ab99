// What may be done at the bench and when: one answer per painted picture, undo, looking back, pause.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Journal } from "../../review/screens/bench/journal.js";
import { GUARD_MS, Session } from "../../review/screens/bench/session.js";
import { MemoryStorage, settle } from "./memory_storage.mjs";

function desk({ tasks = 5, ...api } = {}) {
  const waiting = Array.from({ length: tasks }, (_, n) => ({ id: `t${n + 1}`, lease_token: `l${n + 1}`, item: {} }));
  const queue = {
    waiting,
    current: null,
    take() {
      this.current = this.waiting.shift() ?? null;
      return this.current;
    },
    putBack(task) {
      if (this.current && this.current.id !== task.id) this.waiting.unshift(this.current);
      this.waiting = this.waiting.filter(({ id }) => id !== task.id);
      this.current = task;
    },
    start() {},
    stop() {
      this.waiting = [];
    },
  };
  const time = { now: 0 };
  const told = [];
  const shown = [];
  const journal = new Journal(new MemoryStorage(), "an", { id: "a" });
  const session = new Session({
    queue,
    journal,
    api,
    kick: () => {},
    request: { model: "m" },
    clock: () => time.now,
    screen: { show: (task, what) => shown.push([task?.id ?? null, what?.answer?.label]), refresh() {}, tell: (key) => told.push(key) },
  });
  session.onQueue();
  const paint = (ms = 1000) => {
    session.painted(session.task.id);
    time.now += ms;
  };
  return { session, queue, journal, told, shown, time, paint };
}

test("an answer is kept before the next task is shown, with the time it took", () => {
  const { session, journal, shown, paint } = desk();
  paint(1500);
  assert.equal(session.decide("label", "ok"), true);
  assert.equal(journal.ops[0].task_id, "t1");
  assert.deepEqual(journal.ops[0].body, { lease_token: "l1", verb: "label", duration_ms: 1500, label: "ok" });
  assert.deepEqual(shown.map(([id]) => id), ["t1", "t2"]);
});

test("a picture that is not painted yet, or only just, takes no answer", () => {
  const { session, journal, told, paint, time } = desk();
  assert.equal(session.decide("label", "ok"), false);
  paint(GUARD_MS - 1);
  assert.equal(session.decide("label", "ok"), false);
  time.now += 1;
  assert.equal(session.decide("label", "ok"), true);
  assert.deepEqual(told, ["not_painted", "too_fast"]);
  assert.equal(journal.unsent, 1);
});

test("time away from the page is not thinking time", () => {
  const { session, journal, time, paint } = desk();
  paint(1000);
  session.hidden(true);
  time.now += 60_000;
  session.hidden(false);
  session.decide("label", "ok");
  assert.equal(journal.ops[0].body.duration_ms, 1000);
});

test("undo of an unsent answer leaves no trace", () => {
  const { session, journal, paint } = desk();
  paint();
  session.decide("label", "ok");
  session.undo();
  assert.equal(session.task.id, "t1");
  assert.deepEqual(journal.ops, []);
  assert.deepEqual(session.queue.waiting.map(({ id }) => id).slice(0, 1), ["t2"]);
});

test("undo of a sent answer names it, and the new answer uses the new lease", () => {
  const { session, journal, paint } = desk();
  paint();
  session.decide("label", "ok");
  const { key } = journal.ops[0];
  journal.markTried(key);
  journal.remove(key);
  session.undo();
  assert.deepEqual(journal.ops[0].body, { model: "m", answer: key });
  paint();
  session.decide("label", "short");
  session.onUndone(journal.ops[0], { id: "t1", lease_token: "new" });
  assert.equal(journal.ops[1].body.lease_token, "new");
});

test("ten answers can be taken back one after the other", () => {
  const { session, paint } = desk({ tasks: 12 });
  for (let n = 0; n < 10; n += 1) {
    paint();
    session.decide("label", "ok");
  }
  for (let n = 0; n < 10; n += 1) session.undo();
  assert.equal(session.task.id, "t1");
});

test("undo after a reload asks the server for the last answer", async () => {
  const { session, shown } = desk({ undo: async (body) => ({ id: "old", lease_token: "x", item: {}, asked: body }) });
  await session.undo();
  assert.equal(session.task.id, "old");
  assert.equal(shown.at(-1)[0], "old");
});

test("an undo that the server refuses lets the answer stand and goes on", () => {
  const { session, journal, told, paint } = desk();
  paint();
  session.decide("label", "ok");
  journal.markTried(journal.ops[0].key);
  session.undo();
  session.onUndoRefused(journal.ops[1]);
  assert.equal(session.task.id, "t2");
  assert.equal(told.at(-1), "undo_refused");
});

test("looking back shows own answers and takes none", () => {
  const { session, shown, told, paint } = desk();
  paint();
  session.decide("label", "ok");
  paint();
  session.decide("label", "short");
  session.look(-1);
  session.look(-1);
  session.look(-1);
  assert.deepEqual(shown.slice(-2), [["t2", "short"], ["t1", "ok"]]);
  assert.equal(session.decide("label", "ok"), false);
  assert.equal(told.at(-1), "looking_back");
  session.look(1);
  session.look(1);
  assert.equal(shown.at(-1)[0], "t3");
});

test("a missing picture can be skipped but not labelled", () => {
  const { session, told } = desk();
  session.missing("t1");
  assert.equal(session.decide("label", "ok"), false);
  assert.equal(told.at(-1), "missing_no_label");
  assert.equal(session.decide("skip", null, { skipReason: "damaged" }), true);
});

test("a skip carries its reason and the comment apart", () => {
  const { session, journal, paint } = desk();
  paint();
  session.comment = "all black";
  session.decide("skip", null, { skipReason: "damaged" });
  const { verb, skip_reason: reason, comment, label } = journal.ops[0].body;
  assert.deepEqual([verb, reason, comment, label], ["skip", "damaged", "all black", undefined]);
});

test("paused takes no answer and shows nothing", async () => {
  const { session, shown } = desk();
  session.pause();
  await settle();
  assert.equal(session.decide("label", "ok"), false);
  assert.deepEqual(shown.at(-1), [null, undefined]);
});

// --- the AI answer after the person's own ---------------------------------------------------------------------

function assisted(options = {}) {
  const made = desk({ tasks: 3, ...options });
  const revealed = [];
  made.session.screen.reveal = (reveal, own) => revealed.push([reveal.prediction, own.label]);
  made.session.task.mode = "assist";
  for (const task of made.queue.waiting) task.mode = "assist";
  return { ...made, revealed };
}

test("an assisted item stays after the own answer until the AI answer has come, then takes a second answer", () => {
  const { session, journal, revealed, shown, time, told, paint } = assisted();
  paint(1500);
  session.decide("label", "ok");
  assert.equal(session.task.id, "t1");
  assert.equal(session.decide("label", "short"), false); // nothing to change yet
  assert.equal(told.at(-1), "waiting_reveal");
  time.now += 80;
  session.onSent(journal.ops[0], { reveal: { prediction: "short" } });
  assert.deepEqual(revealed, [["short", "ok"]]);
  time.now += 700;
  session.decide("label", "short");
  assert.equal(session.task.id, "t2");
  const [first, second] = journal.ops;
  assert.deepEqual([first.body.label, first.body.duration_ms, first.body.revealed_ms], ["ok", 1500, undefined]);
  assert.deepEqual([second.body.label, second.body.duration_ms, second.body.revealed_ms], ["short", 700, 1580]);
  assert.deepEqual(shown.map(([id]) => id), ["t1", "t2"]);
});

test("keeping the own answer is said again, so both answers and times are stored", () => {
  const { session, journal, time, paint } = assisted();
  paint();
  session.decide("label", "ok");
  session.onSent(journal.ops[0], { reveal: { prediction: "short" } });
  time.now += 500;
  session.keep();
  assert.deepEqual(journal.ops.map(({ body }) => body.label), ["ok", "ok"]);
  assert.equal(session.task.id, "t2");
});

test("an item that stays blind goes on at once, and so does one whose answer was refused", () => {
  const { session, journal, paint } = assisted();
  paint();
  session.decide("label", "ok");
  session.onSent(journal.ops[0], { reveal: null });
  assert.equal(session.task.id, "t2");
  paint();
  session.decide("label", "ok");
  session.onRefused(journal.ops[1]);
  assert.equal(session.task.id, "t3");
});

test("without the server the person may go on; the AI answer that comes later is not shown", () => {
  const { session, journal, revealed, paint } = assisted();
  paint();
  session.decide("label", "ok");
  session.keep();
  assert.equal(session.task.id, "t2");
  session.onSent(journal.ops[0], { reveal: { prediction: "short" } });
  assert.deepEqual(revealed, []);
  assert.equal(journal.unsent, 1);
});

test("undo after the second answer takes that one back and shows the AI answer again", () => {
  const { session, journal, revealed, time, paint } = assisted();
  paint();
  session.decide("label", "ok");
  const [first] = journal.ops;
  session.onSent(first, { reveal: { prediction: "short" } });
  time.now += 500;
  session.decide("label", "short");
  journal.markTried(journal.ops[1].key);
  const second = journal.ops[1].key;
  session.undo();
  assert.deepEqual([session.task.id, session.stage, revealed.length], ["t1", "reveal", 2]);
  assert.equal(journal.ops.at(-1).body.answer, second);
  journal.markTried(first.key);
  session.undo();
  assert.deepEqual([session.task.id, session.stage], ["t1", "first"]);
  assert.equal(journal.ops.at(-1).body.answer, first.key);
});

test("identical rows that wait are set aside with the answer, and what it did not reach is given back", () => {
  const { session, queue, journal, paint } = desk();
  const given = [];
  queue.takeOut = (isWanted) => {
    const taken = queue.waiting.filter(isWanted);
    queue.waiting = queue.waiting.filter((task) => !isWanted(task));
    return taken;
  };
  queue.giveBack = (tasks) => given.push(...tasks.map(({ id }) => id));
  session.task.item = { inputs: { a: 1 } };
  for (const [index, task] of queue.waiting.entries()) Object.assign(task, { mode: "blind", item: { inputs: { a: index < 2 ? 1 : 9 } } });
  paint();
  session.alike = 5;
  session.decide("label", "ok");
  assert.equal(journal.ops[0].body.alike, 5);
  assert.equal(session.task.id, "t4");
  session.onSent(journal.ops[0], { alike_ids: ["t2", "elsewhere"] });
  assert.deepEqual(given, ["t3"]);
  paint();
  session.decide("label", "ok");
  assert.equal(journal.ops[1].body.alike, undefined); // for one answer only
});

test("the AI answer is asked for about own earlier items alone", async () => {
  const { session, told, revealed, paint } = assisted({ reveal: async (id, ms) => ({ prediction: `${id} after ${ms}` }) });
  await session.lookUp();
  assert.equal(told.at(-1), "answer_first");
  session.task.mode = "blind";
  await session.lookUp();
  assert.equal(told.at(-1), "no_answer_shown");
  paint(900);
  session.decide("label", "ok");
  session.look(-1);
  await session.lookUp();
  assert.deepEqual(revealed, [["t1 after 900", "ok"]]);
});

test("identical rows of an answer that was never sent are given back when it is taken back", () => {
  const { session, queue, paint } = desk();
  const given = [];
  queue.takeOut = () => queue.waiting.splice(0, 2);
  queue.giveBack = (tasks) => given.push(...tasks.map(({ id }) => id));
  paint();
  session.alike = 2;
  session.decide("label", "ok");
  session.undo();
  assert.deepEqual(given, ["t2", "t3"]);
});

test("what is being written is kept while the person looks back, and begins anew with the next item", () => {
  const { session, paint } = desk();
  paint();
  session.decide("label", "ok");
  session.draft = "half a sent";
  session.look(-1);
  session.look(1);
  assert.equal(session.draft, "half a sent");
  paint();
  session.decide("label", "ok");
  assert.equal(session.draft, "");
});
