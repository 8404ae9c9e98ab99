// The bench: puts queue, outbox, keys, viewer and page together, and mounts them once per place on the page.

import { makeApi } from "./api.js";
import { Dialog } from "./dialog.js";
import { decodeImage, ImageCache } from "./images.js";
import { bindingsFrom, Keys, letterOf } from "./keys.js";
import { outboxOf } from "./outbox.js";
import { Parts } from "./parts.js";
import { TaskQueue } from "./queue.js";
import { Screen } from "./screen.js";
import { Session } from "./session.js";
import { makeText } from "./text.js";
import { MOVES, Tools } from "./tools.js";
import { Verbs } from "./verbs.js";
import { Viewer } from "./viewer.js";

const LIGHTS = ["zoom_in", "zoom_out", "brighter", "darker", "contrast_up", "contrast_down"];
const REPEATABLE = new Set([...Object.keys(MOVES), ...LIGHTS]);
const WORKS_WHILE_PAUSED = new Set(["pause", "help", "full", "refused"]);
const PROGRESS_MS = 1000;
const IDLE_PROGRESS_MS = 10_000;
const REST_MS = 50; // three frames: first the picture, then everything else
const LEAST_HEIGHT = 460;

class Bench {
  constructor(place, data) {
    this.data = data;
    this.root = place.querySelector(".bench");
    this.bindings = bindingsFrom(data.preferences?.bench?.keys);
    this.keys = new Keys(this.bindings);
    this.stopper = new AbortController();
    this.buildScreen(makeText(data.strings, data.locale));
    this.buildWork();
    this.listen();
    this.tools.restore();
    this.fit();
    this.outbox.attach(this.listener);
    this.queue.start();
    this.showState();
    this.readProgress();
    this.root.focus({ preventScroll: true });
  }

  buildScreen(say) {
    const { labels } = this.data.model;
    this.api = makeApi((...args) => fetch(...args));
    this.images = new ImageCache(this.api.artifact, decodeImage);
    this.parts = new Parts(this.root, say, (press) => this.act(press), this.data.open_field);
    this.parts.build(labels, this.bindings);
    this.dialog = new Dialog(this.parts.at.dialog, say);
    const [itemCanvas, goldenCanvas] = this.root.querySelectorAll("canvas");
    this.viewer = new Viewer({ itemCanvas, goldenCanvas });
    this.screen = new Screen({
      parts: this.parts,
      viewer: this.viewer,
      images: this.images,
      say,
      labelTitle: (name) => labels.find((label) => label.name === name)?.title ?? name,
      keyOf: (id) => this.bindings[id].toUpperCase(),
      emptyKey: this.data.empty,
    });
  }

  buildWork() {
    const { api, data, screen, parts, viewer, dialog } = this;
    const { say } = parts;
    this.outbox = outboxOf(api, data.user.id);
    const { journal } = this.outbox;
    this.queue = new TaskQueue({
      api,
      request: data.request,
      restMs: REST_MS,
      warm: (task) => screen.warm(task),
      isHeld: (id) => this.session.history.some(({ task }) => task.id === id) || journal.ops.some((op) => op.task_id === id),
      onChange: () => {
        this.session.onQueue();
        this.showState();
      },
    });
    this.session = new Session({ queue: this.queue, journal, api, kick: () => this.kick(), screen: this.face(), request: data.undo });
    screen.session = this.session;
    this.tools = new Tools({ viewer, screen, session: this.session, parts, key: `soi.bench.view/${data.user.id}/${data.model.name}` });
    const onBindings = (bindings) => this.bind(bindings);
    this.verbs = new Verbs({ session: this.session, screen, dialog, journal, say, labels: data.model.labels, api, onBindings });
    this.listener = { changed: () => this.showState(), sent: (op, answer) => this.sent(op, answer), refused: (op) => this.refused(op) };
    const own = { full: () => this.toggleFull(), help: () => this.verbs.help(this.bindings) };
    this.actions = { ...this.verbs.actions(), ...this.tools.actions(), ...own };
  }

  // What the session may tell the page.
  face() {
    const { screen } = this;
    return {
      show: (task, what) => {
        this.tools.begin(task);
        screen.show(task, what);
      },
      refresh: () => screen.refresh(),
      tell: (key, params) => screen.tell(key, params),
    };
  }

  // --- sending and progress -----------------------------------------------------------------------------------

  // After the next picture is drawn: the request must not stand between the key and the picture.
  kick() {
    setTimeout(() => {
      this.showState();
      this.outbox.kick();
    }, REST_MS);
  }

  sent(op, answer) {
    if (op.kind === "undo") this.session.onUndone(op, answer);
    this.progressSoon(PROGRESS_MS);
    this.queue.fill();
  }

  refused(op) {
    if (op.kind === "undo") this.session.onUndoRefused(op);
    else this.screen.tell("refused");
    this.showState();
  }

  showState() {
    const { state } = this.outbox.sender;
    const isOut = [state, this.queue.state].includes("unreachable") || this.progress === null;
    // Streamlit covers the page when it loses its own connection; the bench goes on and says what matters itself.
    document.documentElement.toggleAttribute("data-soi-outage", isOut && !this.isClosed);
    this.parts.unsent(this.outbox.journal, state);
    this.parts.progress(this.progress, this.session.paceS);
  }

  progressSoon(ms) {
    this.progressTimer ??= setTimeout(() => this.readProgress(), ms);
  }

  async readProgress() {
    this.progressTimer = null;
    if (this.isClosed) return;
    try {
      this.progress = await this.api.progress(this.data.model.name);
    } catch {
      this.progress = null; // a stale number would be worse than none
    }
    this.showState();
    this.progressSoon(document.hidden ? 6 * IDLE_PROGRESS_MS : IDLE_PROGRESS_MS);
  }

  // --- keys and buttons ---------------------------------------------------------------------------------------

  listen() {
    const { signal } = this.stopper;
    const on = (target, name, run, options = {}) => target.addEventListener(name, run, { signal, ...options });
    on(window, "keydown", (event) => this.onKey(event), { capture: true });
    on(window, "keyup", (event) => this.keys.release(event), { capture: true });
    on(window, "blur", () => this.keys.forget());
    on(window, "resize", () => this.fit());
    on(window, "pagehide", () => this.queue.stop({ keepalive: true }));
    on(window, "pageshow", (event) => event.persisted && this.queue.start());
    on(document, "visibilitychange", () => this.session.hidden(document.hidden));
    this.observer = new ResizeObserver(() => this.viewer.resize());
    this.observer.observe(this.root.querySelector(".stage"));
    this.settling = [100, 400, 1200, 3000].map((ms) => setTimeout(() => this.fit(), ms));
  }

  onKey(event) {
    const path = event.composedPath();
    const target = path[0];
    const isText = Boolean(target.matches?.("input, textarea, select, [contenteditable]"));
    if (isText && !path.includes(this.root)) return;
    const press = this.keys.press(event);
    if (this.dialog.isOpen) return this.onDialogKey(event, press, isText);
    if (press === null || isText || this.belongsElsewhere(press, target, path)) return;
    event.preventDefault();
    event.stopPropagation();
    if (!press.isRepeat || REPEATABLE.has(press.action)) this.act(press);
  }

  // Enter on a focused button presses it; arrows in another widget are that widget's.
  belongsElsewhere(press, target, path) {
    if (path.includes(this.root)) return press.action === "confirm" && target.tagName === "BUTTON";
    return target !== document.body && (press.action in MOVES || press.action === "confirm" || press.action === "delete");
  }

  onDialogKey(event, press, isText) {
    event.stopPropagation();
    if (event.key === "Escape") this.dialog.close();
    else if (event.key === "Tab") this.dialog.keepFocus(event);
    else if (event.key === "Enter" && isText && !event.shiftKey && !event.isComposing) {
      event.preventDefault(); // no new line
      this.dialog.onEnter?.();
    } else if (!isText && event.key !== "Enter") {
      const letter = press?.isRepeat || event.ctrlKey || event.metaKey || event.altKey ? null : letterOf(event);
      this.dialog.onKey?.({ ...press, letter }, event, letter);
      if (event.key.startsWith("Arrow")) event.preventDefault();
    }
  }

  // One press of a key or a button: {action} or {digit}.
  act(press) {
    if (this.session.isPaused && !WORKS_WHILE_PAUSED.has(press.action)) this.screen.tell("paused");
    else if (press.digit !== undefined) this.verbs.digit(press.digit);
    else this.actions[press.action]?.(press);
  }

  bind(bindings) {
    this.bindings = bindings;
    this.keys.bind(bindings);
    this.parts.build(this.data.model.labels, bindings);
    this.parts.tools(this.viewer);
    this.screen.refresh();
  }

  // --- place on the page --------------------------------------------------------------------------------------

  // As high as the window leaves room for, so that nothing has to be scrolled.
  fit() {
    const scrolled = document.querySelector('[data-testid="stMain"]')?.scrollTop ?? 0;
    const top = this.root.getBoundingClientRect().top + scrolled;
    const height = Math.max(LEAST_HEIGHT, Math.floor(window.innerHeight - top - 8));
    this.root.style.setProperty("--height", `${height}px`);
    this.viewer.resize();
  }

  toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.().catch(() => {});
  }

  // The bench is taken off the page: leases go back; the outbox goes on sending.
  close() {
    if (this.isClosed) return;
    this.isClosed = true;
    document.documentElement.removeAttribute("data-soi-outage");
    this.stopper.abort();
    this.observer.disconnect();
    this.settling.forEach(clearTimeout);
    clearTimeout(this.progressTimer);
    this.viewer.close();
    this.outbox.detach(this.listener);
    this.queue.stop({ keepalive: true });
  }
}

const mounted = new WeakMap();

// Called by Streamlit at the first mount and again whenever the data changes; only a real change starts anew.
export default function mount({ parentElement, data }) {
  const { preferences, ...rest } = data; // own keys were changed here: no reason to begin anew
  const signature = JSON.stringify(rest);
  const known = mounted.get(parentElement);
  if (known?.signature !== signature || known.bench.isClosed) {
    known?.bench.close();
    mounted.set(parentElement, { signature, bench: new Bench(parentElement, data) });
  }
  return () => mounted.get(parentElement)?.bench.close();
}
