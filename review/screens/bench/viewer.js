// Draws item and golden sample on two canvases with one shared view: side by side, overlaid, blinking or as a
// difference. Mouse, wheel and fingers move the same view as the keys do.

import { boxBetween } from "./boxes.js";
import { panBy, place, settle, zoomAt, WHOLE } from "./view.js";

const BLINK_MS = 450;
const CRISP_FROM = 3; // from this enlargement on single pixels are shown as they are
const COLOURS = { drawn: "#ffb000", candidate: "#00c2ff", selected: "#ff3df2" };

export class Viewer {
  // itemCanvas, goldenCanvas: <canvas>. onView(view) after a change by mouse or finger, onBox(box) after a drawn box.
  constructor({ itemCanvas, goldenCanvas, onView, onBox }) {
    Object.assign(this, { itemCanvas, goldenCanvas, onView, onBox });
    this.view = { ...WHOLE };
    this.layout = "side"; // side, overlay, blink, difference
    this.item = null;
    this.golden = null;
    this.boxes = [];
    this.showsBoxes = true;
    this.draft = null;
    this.isDrawing = false;
    this.blinkOn = false;
    this.pointers = new Map();
    this.listen(itemCanvas);
    this.listen(goldenCanvas);
  }

  setPictures(item, golden) {
    Object.assign(this, { item, golden, draft: null });
    this.draw();
  }

  setLayout(layout) {
    this.layout = layout;
    clearInterval(this.blinker);
    this.blinkOn = false;
    if (layout === "blink") {
      this.blinker = setInterval(() => {
        this.blinkOn = !this.blinkOn;
        this.draw();
      }, BLINK_MS);
    }
    this.draw();
  }

  get pane() {
    return { width: this.itemCanvas.clientWidth || 1, height: this.itemCanvas.clientHeight || 1 };
  }

  // Make the canvases' pixels match the screen's; call when the panes changed size.
  resize() {
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.itemCanvas, this.goldenCanvas]) {
      const width = Math.round(canvas.clientWidth * ratio);
      const height = Math.round(canvas.clientHeight * ratio);
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    }
    this.draw();
  }

  draw() {
    const whole = this.item ?? this.golden;
    if (whole) this.view = settle(this.view, this.pane, whole);
    this.drawItemPane();
    if (this.layout === "side") this.drawPane(this.goldenCanvas, (pen, at) => this.paint(pen, this.golden, at));
  }

  drawItemPane() {
    this.drawPane(this.itemCanvas, (pen, at) => {
      const showsGoldenAlone = this.layout === "blink" && this.blinkOn && this.golden;
      this.paint(pen, showsGoldenAlone ? this.golden : this.item, at);
      if (this.golden && this.layout === "overlay") this.paint(pen, this.golden, at, { alpha: 0.5 });
      if (this.golden && this.layout === "difference") this.paint(pen, this.golden, at, { mode: "difference" });
      if (this.showsBoxes) this.paintBoxes(pen, at);
    });
  }

  drawPane(canvas, paint) {
    const pen = canvas.getContext("2d");
    const ratio = canvas.width / (canvas.clientWidth || 1);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (!this.item) return;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const at = place(this.view, this.pane, this.item);
    pen.imageSmoothingEnabled = at.scale * ratio < CRISP_FROM;
    pen.imageSmoothingQuality = "medium";
    paint(pen, at);
  }

  // A golden sample of another size is drawn onto the item's rectangle, so that places still match.
  paint(pen, picture, at, { alpha = 1, mode = "source-over" } = {}) {
    if (!picture) return;
    const { brightness, contrast } = this.view;
    pen.save();
    pen.globalAlpha = alpha;
    pen.globalCompositeOperation = mode;
    if (brightness !== 1 || contrast !== 1) pen.filter = `brightness(${brightness}) contrast(${contrast})`;
    const isSmallEnough = picture.small && at.width * pen.getTransform().a <= picture.small.width;
    pen.drawImage(isSmallEnough ? picture.small : picture.source, at.x, at.y, at.width, at.height);
    pen.restore();
  }

  paintBoxes(pen, at) {
    const all = this.draft ? [...this.boxes, { ...this.draft, isSelected: true }] : this.boxes;
    for (const box of all) {
      const x = at.x + box.x * at.scale;
      const y = at.y + box.y * at.scale;
      const width = box.width * at.scale;
      const height = box.height * at.scale;
      pen.lineWidth = 4;
      pen.strokeStyle = "rgb(0 0 0 / 60%)";
      pen.strokeRect(x, y, width, height);
      pen.lineWidth = 2;
      pen.strokeStyle = box.isSelected ? COLOURS.selected : COLOURS[box.isCandidate ? "candidate" : "drawn"];
      pen.strokeRect(x, y, width, height);
    }
  }

  // The picture's pixel under a point of a canvas.
  pointAt(event) {
    const at = place(this.view, this.pane, this.item);
    return { x: (event.offsetX - at.x) / at.scale, y: (event.offsetY - at.y) / at.scale };
  }

  listen(canvas) {
    canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.onDown(canvas, event));
    canvas.addEventListener("pointermove", (event) => this.onMove(event));
    canvas.addEventListener("pointerup", (event) => this.onUp(event));
    canvas.addEventListener("pointercancel", (event) => this.onUp(event));
    canvas.addEventListener("dblclick", () => this.move({ ...this.view, zoom: 1, x: 0.5, y: 0.5 }));
  }

  move(view) {
    this.view = view;
    this.draw();
    this.onView(this.view);
  }

  onWheel(event) {
    event.preventDefault();
    if (!this.item) return;
    this.move(zoomAt(this.view, Math.exp(-event.deltaY / 400), this.pane, this.item, event.offsetX, event.offsetY));
  }

  onDown(canvas, event) {
    if (!this.item || event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    if (this.isDrawing && canvas === this.itemCanvas) this.corner = this.pointAt(event);
  }

  onMove(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last || !this.item) return;
    const here = { x: event.offsetX, y: event.offsetY };
    if (this.corner) {
      this.draft = boxBetween(this.corner, this.pointAt(event), this.item);
      this.draw();
    } else if (this.pointers.size === 2) this.pinch(event.pointerId, last, here);
    else this.move(panBy(this.view, last.x - here.x, last.y - here.y, this.pane, this.item));
    this.pointers.set(event.pointerId, here);
  }

  pinch(id, last, here) {
    const [, other] = [...this.pointers].find(([each]) => each !== id);
    const before = Math.hypot(last.x - other.x, last.y - other.y);
    const after = Math.hypot(here.x - other.x, here.y - other.y);
    const middle = { x: (here.x + other.x) / 2, y: (here.y + other.y) / 2 };
    if (before > 0) this.move(zoomAt(this.view, after / before, this.pane, this.item, middle.x, middle.y));
  }

  onUp(event) {
    this.pointers.delete(event.pointerId);
    if (!this.corner) return;
    this.corner = null;
    const box = this.draft;
    this.draft = null;
    if (box) this.onBox(box);
    this.draw();
  }

  close() {
    clearInterval(this.blinker);
  }
}
