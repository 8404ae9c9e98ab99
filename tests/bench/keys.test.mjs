// Keys: layouts, held keys, own bindings and refused ones.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ACTIONS, bindingsFrom, exchanged, isFor, KINDS, Keys, letterOf, ownBindings, refusal, RESERVED } from "../../review/screens/bench/keys.js";

const press = (keys, key, extra = {}) => keys.press({ key, code: `Key${key.toUpperCase()}`, ...extra });

test("no default key is reserved or used twice", () => {
  for (const kind of KINDS) {
    const used = ACTIONS.filter(({ id }) => isFor(id, kind)).map(({ key }) => key);
    assert.equal(new Set(used).size, used.length, kind);
    assert.equal(used.some((key) => RESERVED.has(key) || !/^[a-z]$/.test(key)), false);
  }
  assert.deepEqual(["c", "r"].map((key) => RESERVED.has(key)), [true, true]);
});

test("a held key acts once, whether or not the system marks the repetition", () => {
  const keys = new Keys(bindingsFrom({}));
  assert.deepEqual(press(keys, "j"), { action: "ok", isRepeat: false, isShift: false });
  assert.equal(press(keys, "j", { repeat: true }).isRepeat, true);
  assert.equal(press(keys, "j").isRepeat, true);
  keys.release({ code: "KeyJ" });
  assert.equal(press(keys, "j").isRepeat, false);
});

test("a key let go while the window was away is not stuck", () => {
  const keys = new Keys(bindingsFrom({}));
  press(keys, "j");
  keys.forget();
  assert.equal(press(keys, "j").isRepeat, false);
});

test("Ctrl, Alt and Meta chords belong to the browser", () => {
  const keys = new Keys(bindingsFrom({}));
  for (const chord of ["ctrlKey", "altKey", "metaKey"]) assert.equal(press(keys, "f", { [chord]: true }), null);
});

test("letters are found under a Vietnamese input method and on other layouts", () => {
  assert.equal(letterOf({ key: "Process", code: "KeyF" }), "f");
  assert.equal(letterOf({ key: "đ", code: "KeyD" }), "d");
  assert.equal(letterOf({ key: "&", code: "Digit1" }), "1");
  assert.equal(letterOf({ key: "1", code: "Numpad1" }), "1");
  assert.equal(letterOf({ key: "J", code: "KeyJ" }), "j");
  assert.equal(letterOf({ key: ".", code: "Period" }), null);
});

test("keys that conflict, are reserved or are no letters are refused with the reason", () => {
  const bindings = bindingsFrom({});
  assert.deepEqual(refusal(bindings, "ok", "f"), { reason: "taken", other: "not_ok" });
  assert.deepEqual(refusal(bindings, "ok", "c"), { reason: "reserved" });
  assert.deepEqual(refusal(bindings, "ok", "1"), { reason: "not_a_letter" });
  assert.deepEqual(refusal(bindings, "ok", "y"), { reason: "taken", other: "find" });
  assert.equal(refusal(bindings, "spans", "s"), null); // darker is for pictures, spans are for texts
  assert.equal(refusal(bindings, "ok", "j"), null);
});

test("own keys are kept as differences, and a set that conflicts falls back to the usual keys", () => {
  const own = bindingsFrom({ ok: "y", find: "j" });
  assert.equal(own.ok, "y");
  assert.deepEqual(ownBindings(own), { ok: "y", find: "j" });
  assert.equal(bindingsFrom({ ok: "f" }).ok, "j");
  assert.equal(bindingsFrom({ ok: "f", not_ok: "j" }).ok, "f");
  assert.equal(bindingsFrom({ nonsense: "y" }).nonsense, undefined);
});

test("keys that were saved before classes could be found keep their meaning, and finding takes a free letter", () => {
  const own = bindingsFrom({ ok: "y" });
  assert.deepEqual([own.ok, own.find, own.not_ok], ["y", "j", "f"]);
});

test("a letter that is taken can be exchanged, for all kinds of items that it has a meaning for", () => {
  const bindings = bindingsFrom({});
  const swapped = exchanged(bindings, "ok", "f");
  assert.deepEqual([swapped.ok, swapped.not_ok], ["f", "j"]);
  const wide = exchanged(bindings, "ok", "e"); // e enlarges pictures and letters and goes forward in sounds
  assert.deepEqual([wide.ok, wide.zoom_in, wide.bigger, wide.forward], ["e", "j", "j", "j"]);
  assert.deepEqual(bindingsFrom(ownBindings(wide)), wide);
  assert.equal(exchanged(bindings, "zoom_in", "j"), null); // ok would get e, which texts and sounds need
  assert.equal(exchanged(bindings, "ok", "c"), null);
  assert.equal(exchanged(bindings, "ok", "1"), null);
});

test("one letter may mean different things for different kinds of items, never two for one kind", () => {
  const bindings = bindingsFrom({});
  assert.equal(press(new Keys(bindings, "image"), "e").action, "zoom_in");
  assert.equal(press(new Keys(bindings, "audio"), "e").action, "forward");
  assert.equal(press(new Keys(bindings, "tabular"), "g"), null);
  assert.equal(refusal(bindings, "forward", "g"), null);
  assert.deepEqual(refusal(bindings, "forward", "d"), { reason: "taken", other: "faster" });
  assert.deepEqual(refusal(bindings, "ok", "b"), { reason: "taken", other: "blink" });
});

test("Space plays sounds and is nothing of ours elsewhere", () => {
  const space = { key: " ", code: "Space" };
  assert.equal(new Keys(bindingsFrom({}), "audio").press(space).action, "play");
  assert.equal(new Keys(bindingsFrom({}), "text").press(space), null);
});
