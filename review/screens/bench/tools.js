// What the view keys do: zoom, pan, light, layouts, boxes. Settings stay for the next item and the next visit.

import { firstBox, nudge, resize, step } from "./boxes.js";
import { isWhole, lightStep, lookAt, panBy, viewFrom, WHOLE, zoomStep } from "./view.js";

const PAN_PX = 60;
const LAYOUTS = ["overlay", "blink", "difference"];
export const MOVES = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] };

export class Tools {
  // key: where the settings of this person and model are kept.
  constructor({ viewer, screen, session, parts, face, key }) {
    Object.assign(this, { viewer, screen, session, parts, face, key, selected: -1 });
    viewer.onView = () => this.viewChanged();
    viewer.onBox = (box) => this.addBox(box);
  }

  actions() {
    const light = (what, direction) => () => this.setView(lightStep(this.viewer.view, what, direction));
    return {
      ...Object.fromEntries(LAYOUTS.map((name) => [name, () => this.setLayout(name)])),
      ...Object.fromEntries(Object.keys(MOVES).map((name) => [name, (press) => this.move(press)])),
      zoom_in: () => this.zoom(1),
      zoom_out: () => this.zoom(-1),
      brighter: light("brightness", 1),
      darker: light("brightness", -1),
      contrast_up: light("contrast", 1),
      contrast_down: light("contrast", -1),
      reset: () => this.setView({ ...WHOLE }),
      box_next: () => this.selectBox(1),
      box_previous: () => this.selectBox(-1),
      boxes: () => this.toggleBoxes(),
      draw: () => this.toggleDrawing(),
      keep_box: () => this.viewer.draft && this.addBox(this.viewer.draft),
      cancel: () => this.stopDrawing(),
      delete: () => this.deleteBox(),
    };
  }

  // --- view ---------------------------------------------------------------------------------------------------

  // Arrows move the box being drawn, else the picture while it is enlarged, else go through own history.
  move({ action, isShift }) {
    const [dx, dy] = MOVES[action];
    const { viewer } = this;
    if (viewer.isDrawing && viewer.draft && viewer.item) this.moveDraft(dx, dy, isShift);
    else if (dx !== 0 && !isShift && isWhole(viewer.view)) this.session.look(dx);
    else if (viewer.item) this.setView(panBy(viewer.view, dx * PAN_PX, dy * PAN_PX, viewer.pane, viewer.item));
  }

  zoom(direction) {
    const { viewer } = this;
    if (viewer.item) this.setView(zoomStep(viewer.view, direction, viewer.pane, viewer.item));
  }

  setView(view) {
    this.viewer.view = view;
    this.viewer.draw();
    this.viewChanged();
  }

  viewChanged() {
    this.screen.captions();
    clearTimeout(this.saving);
    this.saving = setTimeout(() => this.save(), 400);
  }

  setLayout(name) {
    if (!this.viewer.golden) return this.screen.tell("no_golden");
    this.viewer.setLayout(this.viewer.layout === name ? "side" : name);
    this.screen.captions();
    this.changed();
    this.screen.tell(`layout_${this.viewer.layout}`);
  }

  changed() {
    this.parts.tools(this.face.pressed());
    this.save();
  }

  save() {
    const { view, layout, showsBoxes } = this.viewer;
    try {
      window.localStorage.setItem(this.key, JSON.stringify({ view, layout, showsBoxes }));
    } catch {
      // a view that is forgotten costs nothing
    }
  }

  restore() {
    let saved = null;
    try {
      saved = JSON.parse(window.localStorage.getItem(this.key));
    } catch {
      // start with the whole picture
    }
    this.viewer.view = viewFrom(saved?.view);
    this.viewer.showsBoxes = saved?.showsBoxes ?? true;
    if (LAYOUTS.includes(saved?.layout)) this.viewer.setLayout(saved.layout);
    this.parts.tools(this.face.pressed());
  }

  // --- boxes --------------------------------------------------------------------------------------------------

  // Another task is coming on.
  begin(task) {
    this.selected = -1;
    if (this.viewer.isDrawing) this.setDrawing(false);
    this.viewer.boxes = this.boxesOf(task);
  }

  boxesOf(task) {
    const candidates = (task?.item?.boxes ?? []).map((box) => ({ ...box, isCandidate: true }));
    const said = task && task === this.session.task && this.session.stage === "reveal" ? (this.session.first.reveal.boxes ?? []) : [];
    const drawn = task && task === this.session.task ? this.session.boxes : [];
    const seen = said.map((box) => ({ ...box, isCandidate: true }));
    return [...candidates, ...seen, ...drawn].map((box, index) => ({ ...box, isSelected: index === this.selected }));
  }

  redraw() {
    this.viewer.boxes = this.boxesOf(this.screen.task);
    this.viewer.draw();
  }

  addBox(box) {
    if (this.session.back > 0) return this.screen.tell("looking_back");
    this.session.boxes = [...this.session.boxes, box];
    this.viewer.draft = null;
    this.redraw();
    this.screen.tell("box_added", { n: this.session.boxes.length });
  }

  // The selected drawn box, or the newest one.
  deleteBox() {
    const { boxes } = this.session;
    const nCandidates = this.viewer.boxes.length - boxes.length;
    const index = this.selected < 0 ? boxes.length - 1 : this.selected - nCandidates;
    if (index < 0) return;
    this.session.boxes = boxes.filter((_, at) => at !== index);
    this.selected = -1;
    this.redraw();
    this.screen.tell("box_deleted");
  }

  selectBox(direction) {
    const { viewer } = this;
    this.selected = step(this.selected, direction, viewer.boxes.length);
    if (this.selected < 0 || !viewer.item) return this.screen.tell("no_boxes");
    this.redraw();
    this.setView(lookAt(viewer.view, viewer.boxes[this.selected], viewer.pane, viewer.item));
  }

  toggleBoxes() {
    this.viewer.showsBoxes = !this.viewer.showsBoxes;
    this.viewer.draw();
    this.changed();
  }

  toggleDrawing() {
    if (this.viewer.isDrawing) return this.stopDrawing();
    if (!this.viewer.item || this.session.back > 0) return;
    this.setDrawing(true);
    this.viewer.draft = firstBox(this.viewer.view, this.viewer.item);
    this.viewer.draw();
    this.screen.tell("drawing");
  }

  stopDrawing() {
    this.setDrawing(false);
    this.viewer.draw();
  }

  setDrawing(isDrawing) {
    this.viewer.isDrawing = isDrawing;
    this.viewer.draft = null;
    if (isDrawing) this.viewer.showsBoxes = true;
    this.parts.tools(this.face.pressed());
  }

  moveDraft(dx, dy, isShift) {
    const { viewer } = this;
    const stride = Math.max(1, Math.round(viewer.item.width / 100));
    viewer.draft = (isShift ? resize : nudge)(viewer.draft, dx * stride, dy * stride, viewer.item);
    viewer.draw();
  }
}
