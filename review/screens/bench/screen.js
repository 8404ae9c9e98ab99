// Puts a task on the screen: pictures as soon as they are decoded, the right notice when they are not.

const RETRY_MS = 2000;

// Two frames later the picture that was drawn now is really on the screen.
function afterPaint(run) {
  requestAnimationFrame(() => requestAnimationFrame(run));
}

export class Screen {
  constructor({ parts, viewer, images, say, labelTitle, keyOf, emptyKey }) {
    Object.assign(this, { parts, viewer, images, say, labelTitle, keyOf, emptyKey });
    this.session = null;
    this.task = null;
    this.problem = null;
    this.isLoading = false;
  }

  // Begin loading what a waiting task will need.
  warm(task) {
    const { artifact, golden } = task.item ?? {};
    for (const sha256 of [artifact, golden]) if (sha256) this.images.get(sha256).catch(() => {});
  }

  show(task, { answer } = {}) {
    this.task = task;
    this.problem = null;
    this.isLoading = false;
    this.parts.task(task, this.labelTitle, answer);
    if (!task) this.viewer.setPictures(null, null);
    else if (!this.paint(task)) this.wait(task);
    this.captions();
    this.refresh();
  }

  // Draw at once what is decoded; true when the item itself was.
  paint(task) {
    const { artifact, golden } = task.item ?? {};
    const item = artifact ? this.images.ready(artifact) : null;
    if (!item) {
      this.viewer.setPictures(null, null);
      return false;
    }
    const sample = golden ? this.images.ready(golden) : null;
    this.viewer.setPictures(item, sample);
    if (golden && !sample) this.later(task, golden);
    this.images.get(artifact); // used just now: among the last to be let go
    afterPaint(() => this.painted(task));
    return true;
  }

  painted(task) {
    if (this.task !== task) return;
    this.session.painted(task.id);
    this.parts.live(this.say("live.item", { subject: task.subject_id }));
    window.dispatchEvent(new CustomEvent("soi-bench-painted", { detail: { id: task.id, at: performance.now() } }));
  }

  async wait(task) {
    const artifact = task.item?.artifact;
    if (!artifact) return this.fail(task, { kind: "refused", code: "none" });
    this.isLoading = true;
    try {
      await this.images.get(artifact);
    } catch (failure) {
      return this.fail(task, failure);
    }
    if (this.task !== task) return;
    this.isLoading = false;
    this.paint(task);
    this.captions();
    this.refresh();
  }

  // The golden sample came after the item.
  async later(task, golden) {
    try {
      await this.images.get(golden);
    } catch {
      if (this.task === task) this.parts.at.golden.querySelector("figcaption").textContent = this.say("golden.missing");
      return;
    }
    if (this.task !== task) return;
    this.viewer.setPictures(this.images.ready(task.item.artifact), this.images.ready(golden));
    this.captions();
  }

  fail(task, failure) {
    if (this.task !== task) return;
    this.isLoading = false;
    if (failure.kind === "refused") {
      this.problem = failure.code === "undecodable" ? "undecodable" : "missing";
      this.session.missing(task.id);
      this.parts.live(this.say(`missing.${this.problem}`));
    } else {
      this.problem = "unreachable";
      setTimeout(() => this.task === task && this.show(task), RETRY_MS);
    }
    this.refresh();
  }

  captions() {
    const { viewer, parts, say, task } = this;
    const caption = (part, text) => (parts.at[part].querySelector("figcaption").textContent = text);
    const golden = task?.item?.golden;
    const isScaled = viewer.item && viewer.golden && (viewer.item.width !== viewer.golden.width || viewer.item.height !== viewer.golden.height);
    const zoom = Math.round(viewer.view.zoom * 100);
    const light = viewer.view.brightness !== 1 || viewer.view.contrast !== 1;
    const lights = light ? ` · ${say("view.light", { brightness: viewer.view.brightness, contrast: viewer.view.contrast })}` : "";
    const layout = viewer.layout === "side" ? "" : ` · ${say(`layout.${viewer.layout}`)}`;
    caption("item", task ? `${say("item.caption")}${layout} · ${zoom} %${lights}` : "");
    if (golden && !viewer.golden) caption("golden", say("golden.loading"));
    else caption("golden", golden ? say(isScaled ? "golden.scaled" : "golden.caption") : "");
    this.arrange(golden ? viewer.layout : "single");
    const name = task ? say("aria.item", { subject: task.subject_id }) : "";
    viewer.itemCanvas.setAttribute("aria-label", name);
    viewer.goldenCanvas.setAttribute("aria-label", say("golden.caption"));
  }

  // The panes change size only when the layout does; measuring them costs a layout, so not at every task.
  arrange(layout) {
    const stage = this.parts.root.querySelector(".stage");
    if (stage.dataset.layout === layout) return;
    stage.dataset.layout = layout;
    this.viewer.resize();
  }

  refresh() {
    this.parts.notice(this.noticeNow());
  }

  noticeNow() {
    const { say, session } = this;
    const queue = session?.queue;
    const notice = (key, buttons = [], params = {}) => ({ title: say(`${key}.title`), body: say(`${key}.body`, params), buttons });
    if (session?.isPaused) return notice("paused", [{ label: say("paused.resume"), key: this.keyOf("pause"), press: { action: "pause" } }]);
    if (this.task && this.problem) {
      const skip = { label: say("verb.skip"), key: this.keyOf("skip"), press: { action: "skip" } };
      return notice(`notice.${this.problem}`, this.problem === "unreachable" ? [] : [skip], { subject: this.task.subject_id });
    }
    if (this.task) return this.isLoading ? notice("notice.loading") : null;
    if (queue?.state === "ready") return notice("notice.loading");
    if (queue?.state === "empty") return notice(this.emptyKey);
    return notice(`notice.${{ loading: "loading", unreachable: "outage", signed_out: "signed_out" }[queue?.state] ?? "refused"}`, [], { message: queue?.message ?? "" });
  }

  tell(key, params) {
    this.parts.toast(this.say(`tell.${key}`, params));
  }
}
