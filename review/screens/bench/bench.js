// The bench: puts queue, outbox, keys, viewer and page together, and mounts them once per place on the page.

import { makeApi } from "./api.js";
import { AudioFace } from "./audio_face.js";
import { Choices } from "./choices.js";
import { Dialog } from "./dialog.js";
import { ImageFace } from "./image_face.js";
import { decodeImage, ImageCache } from "./images.js";
import { bindingsFrom, Keys, letterOf } from "./keys.js";
import { outboxOf } from "./outbox.js";
import { Parts } from "./parts.js";
import { TaskQueue } from "./queue.js";
import { Screen } from "./screen.js";
import { Session } from "./session.js";
import { TableFace } from "./table_face.js";
import { TextFace } from "./text_face.js";
import { makeText } from "./text.js";
import { MOVES } from "./tools.js";
import { Verbs } from "./verbs.js";
import { Viewer } from "./viewer.js";
import { Writing } from "./writing.js";

const SHEETS = { tabular: TableFace, text: TextFace, audio: AudioFace };
const WORKS_WHILE_PAUSED = new Set(["pause", "help", "full", "refused"]);
const PROGRESS_MS = 1000; // the queue's length is never older than this while somebody works
const IDLE_PROGRESS_MS = 10_000;
const IDLE_AFTER_MS = 60_000;
const REST_MS = 50; // three frames: first the picture, then everything else
const LEAST_HEIGHT = 460;

class Bench {
  constructor(place, data) {
    this.data = data;
    this.root = place.querySelector(".bench");
    this.bindings = bindingsFrom(data.preferences?.bench?.keys);
    this.kind = data.model.kind;
    this.root.dataset.kind = this.kind;
    this.keys = new Keys(this.bindings, this.kind);
    this.lastKeyAt = 0;
    this.stopper = new AbortController();
    this.buildScreen(makeText(data.strings, data.locale));
    this.buildWork();
    this.listen();
    this.fit();
    this.outbox.attach(this.listener);
    this.queue.start();
    this.showState();
    this.readProgress();
    this.root.focus({ preventScroll: true });
  }

  buildScreen(say) {
    const { labels, answer } = this.data.model;
    this.api = makeApi((...args) => fetch(...args));
    this.parts = new Parts(this.root, say, (press) => this.act(press), this.data.open_field);
    const { at } = this.parts;
    this.dialog = new Dialog(at.dialog, say);
    const labelTitle = (name) => labels.find((label) => label.name === name)?.title ?? name;
    this.face = this.makeFace(say, labelTitle);
    this.choices = new Choices({ place: at.opinions, say, withWords: answer === "text", onPick: ({ name, text }) => this.take(text, name) });
    const onChange = (text) => this.written(text);
    this.writing = new Writing({ place: at.writing, root: this.root, say, kind: answer, onSubmit: (written) => this.verbs.written(written), onChange });
    this.screen = new Screen({
      parts: this.parts,
      face: this.face,
      choices: this.choices,
      writing: this.writing,
      say,
      labelTitle,
      keyOf: (id) => this.bindings[id].toUpperCase(),
      emptyKey: this.data.empty,
      kind: this.kind,
    });
    this.buildParts();
  }

  makeFace(say, labelTitle) {
    const { parts, api, data } = this;
    const key = `soi.bench.view/${data.user.id}/${data.model.name}`;
    if (this.kind in SHEETS) return new SHEETS[this.kind]({ parts, say, api, key, labelTitle });
    const [itemCanvas, goldenCanvas] = this.root.querySelectorAll("canvas");
    const images = new ImageCache(api.artifact, decodeImage);
    return new ImageFace({ parts, say, viewer: new Viewer({ itemCanvas, goldenCanvas }), images, key });
  }

  buildParts() {
    const how = { isWritten: this.writing.isOn, withBulk: this.kind === "tabular" };
    this.parts.build(this.data.model.labels, this.bindings, this.face.tools, how);
  }

  written(text) {
    if (this.session.back === 0) this.session.draft = text;
    this.choices.against(text);
  }

  // A hypothesis becomes the text to answer with; it may be corrected before.
  take(text, name) {
    if (this.session.back > 0) return this.screen.tell("looking_back");
    this.writing.set(text, this.session.stage === "reveal" ? name : null);
    this.screen.tell("taken", { name });
  }

  buildWork() {
    const { api, data, screen, parts, face, dialog } = this;
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
    this.session = new Session({ queue: this.queue, journal, api, kick: () => this.kick(), screen: this.view(), request: data.undo });
    Object.assign(screen, { session: this.session });
    Object.assign(face, { screen, session: this.session });
    const onBindings = (bindings) => this.bind(bindings);
    const { labels } = data.model;
    this.verbs = new Verbs({ session: this.session, screen, dialog, journal, say, labels, api, kind: this.kind, onBindings });
    face.restore();
    this.listener = { changed: () => this.showState(), sent: (op, answer) => this.sent(op, answer), refused: (op) => this.refused(op) };
    const moves = face.actions();
    const own = { full: () => this.toggleFull(), help: () => this.verbs.help(this.bindings), confirm: () => this.confirm() };
    this.actions = { ...this.verbs.actions(), ...moves, ...own };
    this.repeatable = new Set([...Object.keys(MOVES), ...face.repeatable]);
  }

  // Enter keeps a box that is being drawn; else it belongs to the answer.
  confirm() {
    if (this.face.viewer?.draft) this.actions.keep_box();
    else this.verbs.confirm();
  }

  // What the session may tell the page.
  view() {
    const { screen } = this;
    return {
      show: (task, what) => {
        this.face.begin(task);
        screen.show(task, what);
      },
      reveal: (reveal, own) => screen.reveal(reveal, own),
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
    else this.session.onSent(op, answer);
    if (answer?.outcome === "extra") this.screen.tell("extra");
    this.progressSoon(PROGRESS_MS);
    this.queue.fill();
  }

  refused(op) {
    if (op.kind === "undo") this.session.onUndoRefused(op);
    else {
      this.session.onRefused(op);
      this.screen.tell("refused");
    }
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
    const isIdle = performance.now() - this.lastKeyAt > IDLE_AFTER_MS;
    this.progressSoon(document.hidden ? 6 * IDLE_PROGRESS_MS : isIdle ? IDLE_PROGRESS_MS : PROGRESS_MS);
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
    this.observer = new ResizeObserver(() => this.face.resize());
    this.observer.observe(this.root.querySelector(".stage"));
    this.settling = [100, 400, 1200, 3000].map((ms) => setTimeout(() => this.fit(), ms));
  }

  onKey(event) {
    const path = event.composedPath();
    const target = path[0];
    const isText = Boolean(target.matches?.("input, textarea, select, [contenteditable]"));
    if (isText && !path.includes(this.root)) return;
    const press = this.keys.press(event);
    this.lastKeyAt = performance.now();
    if (isText && !this.dialog.isOpen) return this.onWritingKey(event);
    if (this.dialog.isOpen) return this.onDialogKey(event, press, isText);
    if (press === null || this.belongsElsewhere(press, target, path)) return;
    event.preventDefault();
    event.stopPropagation();
    this.lastCode = event.code;
    if (!press.isRepeat || this.repeatable.has(press.action)) this.act(press);
  }

  // Letters are letters while somebody writes: Enter answers, Escape leaves the box, Shift and Space play.
  onWritingKey(event) {
    event.stopPropagation();
    if (event.isComposing) return;
    const isToPlay = event.key === " " && event.shiftKey && this.kind === "audio";
    const isAnswer = event.key === "Enter" && !event.shiftKey;
    if (isToPlay || isAnswer || event.key === "Escape") event.preventDefault();
    if (event.repeat) return;
    if (isToPlay) this.act({ action: "play" });
    else if (isAnswer) this.act({ action: "confirm" });
    else if (event.key === "Escape") this.writing.leave();
  }

  // Enter or Space on a focused button presses it; arrows in another widget are that widget's.
  belongsElsewhere(press, target, path) {
    if (path.includes(this.root)) return ["confirm", "play"].includes(press.action) && target.tagName === "BUTTON";
    return target !== document.body && (press.action in MOVES || ["confirm", "delete", "play"].includes(press.action));
  }

  onDialogKey(event, press, isText) {
    event.stopPropagation();
    if (event.key === "Escape") this.dialog.close();
    else if (event.key === "Tab") this.dialog.keepFocus(event);
    else if (isText && event.repeat && event.code === this.lastCode) event.preventDefault(); // the key that opened it is still down
    else if (isText && this.dialog.onArrow && ["ArrowUp", "ArrowDown"].includes(event.key)) {
      event.preventDefault();
      this.dialog.onArrow(event.key === "ArrowDown" ? 1 : -1);
    }
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
    this.buildParts();
    this.parts.tools(this.face.pressed());
    this.screen.refresh();
  }

  // --- place on the page --------------------------------------------------------------------------------------

  // As high as the window leaves room for, so that nothing has to be scrolled.
  fit() {
    const scrolled = document.querySelector('[data-testid="stMain"]')?.scrollTop ?? 0;
    const top = this.root.getBoundingClientRect().top + scrolled;
    const height = Math.max(LEAST_HEIGHT, Math.floor(window.innerHeight - top - 8));
    this.root.style.setProperty("--height", `${height}px`);
    this.face.resize();
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
    this.face.close();
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
