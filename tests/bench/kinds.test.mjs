// What rows, texts and sounds are drawn from: ranges, marks, word differences, outlines and spectra.

import assert from "node:assert/strict";
import { test } from "node:test";
import { AudioFace } from "../../review/screens/bench/audio_face.js";
import { barOf, differences, placeOf } from "../../review/screens/bench/range.js";
import { outline, sampleRateOf, spectrogram, stepSegment, transform } from "../../review/screens/bench/sound.js";
import { pieces } from "../../review/screens/bench/text_face.js";
import { numberOf } from "../../review/screens/bench/writing.js";
import { compare, wordsOf } from "../../review/screens/bench/wer.js";

const FIELD = { kind: "number", low: 0, rare_low: 10, quarter: 20, median: 30, three_quarters: 40, rare_high: 60, high: 100 };

test("a number stands on the bar where its reference puts it, and beyond it at the end", () => {
  assert.equal(placeOf(-1, FIELD), 0.02);
  assert.equal(placeOf(101, FIELD), 0.98);
  assert.ok(Math.abs(placeOf(35, FIELD) - 0.5) < 1e-12); // the middle of 10 to 60 is the middle of the bar
  assert.equal(placeOf(5, FIELD), 0.13); // half way from 0 to 10
  assert.equal(placeOf(1, { ...FIELD, low: null }), null);
  const places = [0, 10, 20, 30, 40, 60, 100].map((value) => placeOf(value, FIELD));
  assert.deepEqual([...places].sort((a, b) => a - b), places);
});

test("a constant reference still has a bar", () => {
  const flat = { kind: "number", low: 5, rare_low: 5, quarter: 5, median: 5, three_quarters: 5, rare_high: 5, high: 5, value: 5 };
  assert.equal(barOf(flat).beyond, 0);
  assert.ok(barOf(flat).value > 0.08 && barOf(flat).value < 0.92);
  assert.equal(barOf({ kind: "category", value: "a" }), null);
  assert.equal(barOf({ ...FIELD, value: 200 }).beyond, 1);
});

test("the inputs that differ most come first, in units of what is usual", () => {
  const fields = [{ name: "a", rare_low: 0, rare_high: 100 }, { name: "b", rare_low: 0, rare_high: 1 }];
  const found = differences({ a: 10, b: 0.5, c: "x" }, { a: 20, b: 0.9, c: "x" }, fields);
  assert.deepEqual(found.map(({ name }) => name), ["b", "a"]);
  assert.deepEqual(differences({ a: 1 }, { a: 1 }, fields), []);
});

test("words are compared without case, punctuation and the way letters are composed", () => {
  assert.deepEqual(wordsOf("Xin chào, it’s ONE!"), ["xin", "chào", "it's", "one"]);
  assert.deepEqual(wordsOf("cha\u0300o"), ["chào"]);
});

test("the word error rate is the edit distance over the words of the reference", () => {
  assert.equal(compare("one two three four", "one too three").rate, 0.5);
  assert.equal(compare("a b c", "a b c").rate, 0);
  assert.equal(compare("a", "b c d").rate, 3);
  assert.equal(compare("", "b").rate, null);
  assert.deepEqual(compare("one two three four", "one too three").steps.map(({ kind }) => kind), ["same", "other", "same", "missing"]);
  assert.deepEqual(compare("a c", "a b c").steps.map(({ kind, word }) => [kind, word]), [["same", "a"], ["extra", "b"], ["same", "c"]]);
});

test("a text is cut at its marks by letters, not by UTF-16 units", () => {
  const shown = pieces("a😀bcd", [{ start: 1, end: 3, label: "x" }]);
  assert.deepEqual(shown.map(({ text }) => text), ["a", "😀b", "cd"]);
  assert.deepEqual(pieces("abc", [{ start: 0, end: 2 }, { start: 1, end: 3 }]).map(({ text }) => text), ["ab", "c"]);
  assert.deepEqual(pieces("abc", [{ start: 0, end: 9 }]).map(({ text }) => text), ["abc"]);
});

test("the transform finds a cosine in its bin and keeps the energy", () => {
  const n = 64;
  const re = Float64Array.from({ length: n }, (_, i) => Math.cos((2 * Math.PI * 5 * i) / n));
  const im = new Float64Array(n);
  transform(re, im);
  const power = [...re].map((value, k) => value ** 2 + im[k] ** 2);
  assert.ok(Math.abs(re[5] - n / 2) < 1e-9 && Math.abs(re[n - 5] - n / 2) < 1e-9);
  assert.ok(Math.abs(power.reduce((a, b) => a + b) / n - n / 2) < 1e-9); // Parseval
  assert.ok(power.filter((value) => value > 1e-12).length === 2);
});

test("a tone of 1 kHz is loudest at 1 kHz in every column, silence is at the floor", () => {
  const rate = 8000;
  const tone = Float32Array.from({ length: rate }, (_, i) => 0.5 * Math.sin((2 * Math.PI * 1000 * i) / rate));
  const { db, columns, rows, topHz } = spectrogram(tone, rate, { columns: 20 });
  for (let column = 1; column < columns - 1; column += 1) {
    const part = [...db.slice(column * rows, (column + 1) * rows)];
    const loudest = part.indexOf(Math.max(...part));
    assert.ok(Math.abs((loudest / rows) * topHz - 1000) <= topHz / rows);
  }
  assert.ok(spectrogram(new Float32Array(2000), rate).db.every((value) => value <= 0));
});

test("the outline keeps every peak", () => {
  const samples = new Float32Array(1000);
  samples[333] = 0.9;
  samples[700] = -0.7;
  const { low, high } = outline(samples, 10);
  assert.deepEqual([high.indexOf(Math.max(...high)), low.indexOf(Math.min(...low))], [3, 7]);
});

function wav(rate) {
  const view = new DataView(new ArrayBuffer(64));
  const write = (at, text) => [...text].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  write(0, "RIFF");
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint32(24, rate, true);
  return view.buffer;
}

test("the sample rate is read from the file's head", () => {
  assert.equal(sampleRateOf(wav(8000)), 8000);
  assert.equal(sampleRateOf(new ArrayBuffer(64)), null);
  const flac = new DataView(new ArrayBuffer(64));
  [..."fLaC"].forEach((letter, i) => flac.setUint8(i, letter.charCodeAt(0)));
  flac.setUint32(18, (44_100 << 12) >>> 0);
  assert.equal(sampleRateOf(flac.buffer), 44_100);
});

test("segments are gone through in both directions", () => {
  const segments = [{ start_s: 0.2 }, { start_s: 1 }, { start_s: 2 }];
  assert.equal(stepSegment(segments, 0, 1), 0);
  assert.equal(stepSegment(segments, 1, 1), 2);
  assert.equal(stepSegment(segments, 1, -1), 0);
  assert.equal(stepSegment(segments, 0.2, -1), -1);
});

test("a segment at the very beginning is reached from there, and left for the next one", () => {
  assert.equal(stepSegment([{ start_s: 0 }, { start_s: 0.03 }], 0, 1), 0);
  assert.equal(stepSegment([{ start_s: 0.05 }], 0, 1), 0);
  assert.equal(stepSegment([{ start_s: 0.02 }, { start_s: 0.06 }], 0.02, 1), 1);
  assert.equal(stepSegment([{ start_s: 0.05 }], 0.05, 1), -1);
});

test("numbers are read as the person's language writes them, and what could be thousands is asked for again", () => {
  const read = (decimal) => ["1.5", "1,5", "1,000", "1.000", "-2", "1e3", "", "x", "1..2"].map((text) => numberOf(text, decimal));
  assert.deepEqual(read("."), ["1.5", null, null, "1", "-2", "1000", null, null, null]);
  assert.deepEqual(read(","), ["1.5", "1.5", "1", null, "-2", "1000", null, null, null]);
});

test("a sound that is exchanged while it plays is shown as stopped, though its player tells of no pause", () => {
  globalThis.Audio = class {
    paused = true;
    addEventListener() {}
    pause() {
      this.paused = true;
    }
  };
  const shown = [];
  const face = new AudioFace({ parts: { at: { sheet: { setAttribute() {} } }, tools: (on) => shown.push(on.play) }, say: (key) => key, api: {}, key: "k" });
  face.player.paused = false;
  face.begin(null);
  assert.deepEqual(shown, [false]);
});
