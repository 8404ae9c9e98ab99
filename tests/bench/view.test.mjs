// Zoom, pan and boxes as numbers, and pictures let go when there are too many.

import assert from "node:assert/strict";
import { test } from "node:test";
import { boxBetween, firstBox, nudge, resize, step } from "../../review/screens/bench/boxes.js";
import { ImageCache } from "../../review/screens/bench/images.js";
import { lightStep, lookAt, panBy, place, viewFrom, WHOLE, zoomAt } from "../../review/screens/bench/view.js";

const pane = { width: 400, height: 400 };
const wide = { width: 800, height: 400 };

test("the whole picture fits the pane, centred", () => {
  assert.deepEqual(place(WHOLE, pane, wide), { scale: 0.5, width: 400, height: 200, x: 0, y: 100 });
});

test("the point under the pointer stays where it is while zooming", () => {
  const view = zoomAt(WHOLE, 4, pane, wide, 100, 200);
  const at = place(view, pane, wide);
  assert.ok(Math.abs(at.x + (100 / 400) * at.width - 100) < 1e-9);
});

test("zooming out ends at the whole picture and panning ends at its edge", () => {
  assert.equal(zoomAt({ ...WHOLE, zoom: 2 }, 0.01, pane, wide).zoom, 1);
  const view = panBy({ ...WHOLE, zoom: 4 }, 1e6, 0, pane, wide);
  const at = place(view, pane, wide);
  assert.ok(Math.abs(at.x + at.width - pane.width) < 1e-9);
});

test("brightness and contrast move by a tenth and stay in bounds", () => {
  assert.equal(lightStep(WHOLE, "brightness", 1).brightness, 1.1);
  let view = WHOLE;
  for (let n = 0; n < 100; n += 1) view = lightStep(view, "contrast", -1);
  assert.equal(view.contrast, 0.2);
});

test("a stored view that is none falls back to the whole picture", () => {
  for (const saved of [null, {}, { ...WHOLE, zoom: "big" }]) assert.deepEqual(viewFrom(saved), WHOLE);
});

test("looking at a box puts it in the middle", () => {
  const square = { width: 1000, height: 1000 };
  const at = place(lookAt(WHOLE, { x: 480, y: 580, width: 40, height: 40 }, pane, square), pane, square);
  assert.ok(Math.abs(at.x + 500 * at.scale - 200) < 1e-6);
  assert.ok(Math.abs(at.y + 600 * at.scale - 200) < 1e-6);
});

test("a drawn box stays inside the picture and a slip of the hand is none", () => {
  assert.deepEqual(boxBetween({ x: 50, y: 60 }, { x: -10, y: 20 }, wide), { x: 0, y: 20, width: 50, height: 40 });
  assert.equal(boxBetween({ x: 5, y: 5 }, { x: 6, y: 6 }, wide), null);
  assert.deepEqual(nudge({ x: 790, y: 0, width: 10, height: 10 }, 50, -50, wide), { x: 790, y: 0, width: 10, height: 10 });
  assert.equal(resize({ x: 700, y: 0, width: 50, height: 10 }, 500, 0, wide).width, 100);
  assert.deepEqual(firstBox(WHOLE, wide), { x: 360, y: 180, width: 80, height: 40 });
});

test("boxes are gone through in a circle", () => {
  assert.deepEqual([step(-1, 1, 3), step(2, 1, 3), step(0, -1, 3), step(-1, -1, 3), step(0, 1, 0)], [0, 0, 2, 2, -1]);
});

test("old pictures are let go, the newest ones never, and a failure is tried again", async () => {
  const closed = [];
  let isDown = true;
  const load = async (sha256) => {
    if (sha256 === "x" && isDown) throw new Error("down");
    return sha256;
  };
  const decode = async (name) => ({ width: 10, height: 10, close: () => closed.push(name) });
  const cache = new ImageCache(load, decode, { budget: 250, pinned: 2 });
  for (const name of ["a", "b", "c", "d"]) await cache.get(name);
  assert.deepEqual(closed, ["a", "b"]);
  assert.ok(cache.ready("d"));
  await assert.rejects(cache.get("x"));
  isDown = false;
  assert.ok(await cache.get("x"));
});
