// Finding one of many classes by typing a part of its name.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fold, matching } from "../../review/screens/bench/finding.js";

const OPTIONS = ["Đạt", "Hở mạch", "Chập mạch", "Lỗ kim", "Mouse bite", "Pin-hole", "Class 12"].map((label, n) => ({ label, key: n < 3 ? String(n + 1) : "" }));
const found = (typed) => matching(OPTIONS, typed).map(({ label }) => label);

test("nothing typed shows all in their order", () => {
  assert.equal(matching(OPTIONS, "  "), OPTIONS);
});

test("accents, case and đ do not matter, so no input method is needed", () => {
  assert.equal(fold("  ĐẠT"), "dat");
  assert.deepEqual(found("ho ma"), ["Hở mạch"]);
  assert.deepEqual(found("dat"), ["Đạt"]);
  assert.deepEqual(found("Lỗ"), ["Lỗ kim"]);
});

test("names that begin so come before words that begin so, and those before what is inside", () => {
  assert.deepEqual(found("m"), ["Mouse bite", "Hở mạch", "Chập mạch", "Lỗ kim"]);
  assert.deepEqual(found("hole"), ["Pin-hole"]);
  assert.deepEqual(found("ap"), ["Chập mạch"]);
});

test("a digit is that class first, then names with it", () => {
  assert.deepEqual(found("2"), ["Hở mạch", "Class 12"]);
  assert.deepEqual(found("12"), ["Class 12"]);
  assert.deepEqual(found("9"), []);
});
