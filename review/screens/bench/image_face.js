// A picture with its golden sample: what the screen asks of it, done by viewer, tools and the cache of pictures.

import { nothingHere } from "./sheet.js";
import { Tools } from "./tools.js";

const SIGNS = [
  ["zoom_in", "+"],
  ["zoom_out", "−"],
  ["brighter", "☀"],
  ["darker", "☼"],
  ["contrast_up", "◑"],
  ["contrast_down", "◌"],
  ["reset", "⟲"],
  ["overlay", "◫"],
  ["blink", "◩"],
  ["difference", "Δ"],
  ["boxes", "▢"],
  ["draw", "✎"],
];

export class ImageFace {
  constructor({ parts, say, viewer, images, key }) {
    Object.assign(this, { parts, say, viewer, images, key, tools: SIGNS });
    this.repeatable = ["zoom_in", "zoom_out", "brighter", "darker", "contrast_up", "contrast_down"];
  }

  // Screen and session are there by now.
  restore() {
    const { viewer, screen, session, parts, key } = this;
    this.hands = new Tools({ viewer, screen, session, parts, face: this, key });
    this.hands.restore();
  }

  actions() {
    return this.hands.actions();
  }

  pressed() {
    const { layout, showsBoxes, isDrawing } = this.viewer;
    return { overlay: layout === "overlay", blink: layout === "blink", difference: layout === "difference", boxes: showsBoxes, draw: isDrawing };
  }

  // Begin loading what a waiting task will need.
  warm(task) {
    const { artifact, golden } = task.item ?? {};
    for (const sha256 of [artifact, golden]) if (sha256) this.images.get(sha256).catch(() => {});
  }

  begin(task) {
    this.hands.begin(task);
  }

  async get(task) {
    if (!task.item?.artifact) throw nothingHere();
    await this.images.get(task.item.artifact);
  }

  // Draw at once what is decoded; true when the item itself was.
  paint(task) {
    const { artifact, golden } = task.item ?? {};
    const item = artifact ? this.images.ready(artifact) : null;
    if (!item) return false;
    const sample = golden ? this.images.ready(golden) : null;
    this.viewer.setPictures(item, sample);
    if (golden && !sample) this.later(task, golden);
    this.images.get(artifact); // used just now: among the last to be let go
    return true;
  }

  // The golden sample came after the item.
  async later(task, golden) {
    try {
      await this.images.get(golden);
    } catch {
      if (this.screen.task === task) this.parts.at.golden.querySelector("figcaption").textContent = this.say("golden.missing");
      return;
    }
    if (this.screen.task !== task) return;
    this.viewer.setPictures(this.images.ready(task.item.artifact), this.images.ready(golden));
    this.captions();
  }

  clear() {
    this.viewer.setPictures(null, null);
  }

  // The AI answer may come with places.
  revealed() {
    this.hands.redraw();
  }

  words() {
    return "";
  }

  captions() {
    const { viewer, parts, say } = this;
    const { task } = this.screen;
    const caption = (part, text) => (parts.at[part].querySelector("figcaption").textContent = text);
    const golden = task?.item?.golden;
    const isScaled = viewer.item && viewer.golden && (viewer.item.width !== viewer.golden.width || viewer.item.height !== viewer.golden.height);
    const zoom = Math.round(viewer.view.zoom * 100);
    const light = viewer.view.brightness !== 1 || viewer.view.contrast !== 1;
    const lights = light ? ` · ${say("view.light", { brightness: viewer.view.brightness, contrast: viewer.view.contrast })}` : "";
    const layout = viewer.layout === "side" ? "" : ` · ${say(`layout.${viewer.layout}`)}`;
    const nUnread = task?.item?.n_unread_boxes ?? 0;
    const unread = nUnread ? ` · ${say("item.unread", { n: nUnread })}` : "";
    caption("item", task ? `${say("item.caption")}${layout} · ${zoom} %${lights}${unread}` : "");
    if (golden && !viewer.golden) caption("golden", say("golden.loading"));
    else caption("golden", golden ? say(isScaled ? "golden.scaled" : "golden.caption") : "");
    this.arrange(golden ? viewer.layout : "single");
    viewer.itemCanvas.setAttribute("aria-label", task ? say("aria.item", { subject: task.subject_id }) : "");
    viewer.goldenCanvas.setAttribute("aria-label", say("golden.caption"));
  }

  // The panes change size only when the layout does; measuring them costs a layout, so not at every task.
  arrange(layout) {
    const stage = this.parts.root.querySelector(".stage");
    if (stage.dataset.layout === layout) return;
    stage.dataset.layout = layout;
    this.viewer.resize();
  }

  resize() {
    this.viewer.resize();
  }

  close() {
    this.viewer.close();
  }
}
