// A sound: outline and spectrogram drawn from the file, voiced segments, playing with the keyboard.

import { nothingHere, Sheet } from "./sheet.js";
import { outline, sampleRateOf, spectrogram, stepSegment } from "./sound.js";
import { make } from "./text.js";

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];
const JUMP_S = 2;
const KEEP = 8; // decoded sounds; a minute at 16 kHz is 4 MB
const RATES = { lowest: 8000, highest: 192_000, unknown: 16_000 };
const COLUMNS = 900;
const RAMP = [[8, 10, 24], [52, 28, 92], [150, 44, 92], [232, 110, 60], [252, 226, 150]];

export class AudioFace extends Sheet {
  constructor(options) {
    super(options);
    this.tools = [["play", "▶"], ["restart", "|◀"], ["backward", "−2"], ["forward", "+2"], ["slower", "−×"], ["faster", "+×"], ["segment_previous", "⇤"], ["segment_next", "⇥"], ["segments", "▒"]];
    this.repeatable = ["backward", "forward"];
    this.settings = { speed: 1, segments: true };
    this.clips = new Map(); // sha256 -> {promise, clip}
    this.player = new Audio();
    this.player.preservesPitch = true;
    for (const event of ["play", "pause", "ended"]) this.player.addEventListener(event, () => this.playing());
  }

  actions() {
    return {
      ...super.actions(),
      play: () => this.toggle(),
      restart: () => this.seek(0, true),
      forward: () => this.seek(this.player.currentTime + JUMP_S),
      backward: () => this.seek(this.player.currentTime - JUMP_S),
      faster: () => this.speed(1),
      slower: () => this.speed(-1),
      segment_next: () => this.jump(1),
      segment_previous: () => this.jump(-1),
      segments: () => this.toggleSegments(),
    };
  }

  pressed() {
    return { segments: this.settings.segments, play: !this.player.paused };
  }

  // --- loading ------------------------------------------------------------------------------------------------

  warm(task) {
    super.warm(task);
    if (task.item?.artifact) this.load(task.item.artifact).catch(() => {});
  }

  load(sha256) {
    let entry = this.clips.get(sha256);
    if (!entry) {
      entry = { clip: null };
      entry.promise = this.decode(sha256).then((clip) => (entry.clip = clip));
      entry.promise.catch(() => this.clips.delete(sha256));
      this.clips.set(sha256, entry);
      if (this.clips.size > KEEP) this.clips.delete(this.clips.keys().next().value);
    }
    return entry.promise;
  }

  // {duration, lines, spectrum}: all that is drawn, computed once.
  async decode(sha256) {
    const buffer = await (await this.api.artifact(sha256)).arrayBuffer();
    const declared = sampleRateOf(buffer) ?? RATES.unknown;
    const rate = Math.min(RATES.highest, Math.max(RATES.lowest, declared));
    let sound;
    try {
      sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(buffer);
    } catch {
      throw Object.assign(new Error("undecodable"), { kind: "refused", code: "undecodable" });
    }
    const samples = mono(sound);
    return { duration: sound.duration, rate, lines: outline(samples, COLUMNS), spectrum: paintSpectrum(spectrogram(samples, rate)) };
  }

  async get(task) {
    if (!task.item?.artifact) throw nothingHere();
    await this.load(task.item.artifact);
  }

  // --- on the sheet -------------------------------------------------------------------------------------------

  // Another task is coming on: silence.
  begin(task) {
    this.player.pause();
    this.parts.tools(this.pressed()); // a sound that is exchanged while it plays tells of no pause
    if (task?.item?.artifact && this.clips.get(task.item.artifact)?.clip) this.player.src = this.api.artifactUrl(task.item.artifact);
  }

  paint(task) {
    const sha256 = task.item?.artifact;
    const clip = sha256 ? this.clips.get(sha256)?.clip : null;
    if (!clip) return false;
    if (!this.player.src.endsWith(this.api.artifactUrl(sha256))) this.player.src = this.api.artifactUrl(sha256);
    this.player.playbackRate = this.settings.speed;
    this.clip = clip;
    this.build(task);
    const entry = this.context(task);
    if (!entry.isOver) entry.promise.then((found) => found?.segments.length && this.screen.task === task && this.draw());
    this.draw();
    return true;
  }

  build(task) {
    const canvas = (name) => make("canvas", { className: name, role: "img", "aria-label": this.say(`audio.${name}`, { subject: task.subject_id }) });
    this.wave = canvas("wave");
    this.spectrum = canvas("spectrum");
    this.needle = make("i", { className: "needle" });
    this.time = make("span", { className: "time" });
    const top = make("span", { className: "top-hz", text: this.say("audio.khz", { n: this.clip.rate / 2000 }) });
    const board = make("div", { className: "sound" }, [this.wave, this.spectrum, top, this.needle]);
    board.addEventListener("pointerdown", (event) => this.seekTo(event, board));
    this.place.replaceChildren(board, this.time);
  }

  get segments() {
    const { task } = this.screen;
    return task && this.settings.segments ? (this.context(task).value?.segments ?? []) : [];
  }

  draw() {
    if (!this.clip || !this.wave?.isConnected) return;
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.wave, this.spectrum]) {
      canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
      canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    }
    const pen = this.spectrum.getContext("2d");
    pen.drawImage(this.clip.spectrum, 0, 0, this.spectrum.width, this.spectrum.height);
    this.drawWave();
    this.tick();
  }

  drawWave() {
    const pen = this.wave.getContext("2d");
    const { width, height } = this.wave;
    const { low, high } = this.clip.lines;
    const loudest = Math.max(0.01, ...high, ...low.map((value) => -value));
    pen.fillStyle = "rgb(64 190 140 / 22%)";
    for (const { start_s, end_s } of this.segments) {
      const at = (seconds) => (Math.min(seconds, this.clip.duration) / this.clip.duration) * width;
      pen.fillRect(at(start_s), 0, Math.max(2, at(end_s) - at(start_s)), height);
    }
    pen.fillStyle = "#8fd3ff";
    for (let column = 0; column < low.length; column += 1) {
      const top = (0.5 - (high[column] / loudest) * 0.46) * height;
      const bottom = (0.5 - (low[column] / loudest) * 0.46) * height;
      pen.fillRect((column * width) / low.length, top, Math.max(1, width / low.length), Math.max(1, bottom - top));
    }
  }

  resize() {
    this.draw();
  }

  // --- playing ------------------------------------------------------------------------------------------------

  toggle() {
    if (!this.clip || !this.screen.task) return;
    if (!this.player.paused) return this.player.pause();
    if (this.player.ended) this.player.currentTime = 0;
    this.player.playbackRate = this.settings.speed;
    this.player.play().catch(() => this.screen.tell("no_sound"));
  }

  seek(seconds, plays = false) {
    if (!this.clip) return;
    this.player.currentTime = Math.min(this.clip.duration, Math.max(0, seconds));
    if (plays && this.player.paused) this.toggle();
    this.tick();
  }

  seekTo(event, board) {
    const box = board.getBoundingClientRect();
    this.seek(((event.clientX - box.left) / box.width) * this.clip.duration);
  }

  jump(direction) {
    const segments = this.screen.task ? (this.context(this.screen.task).value?.segments ?? []) : [];
    const at = stepSegment(segments, this.player.currentTime, direction);
    if (at < 0) return this.screen.tell("no_segments");
    this.seek(segments[at].start_s, true);
  }

  speed(direction) {
    const at = SPEEDS.indexOf(this.settings.speed) + direction;
    if (at < 0 || at >= SPEEDS.length) return;
    this.change({ speed: SPEEDS[at] });
    this.player.playbackRate = this.settings.speed;
    this.tick();
    this.screen.tell("speed", { n: this.say.number(this.settings.speed) });
  }

  toggleSegments() {
    this.change({ segments: !this.settings.segments });
    this.draw();
  }

  playing() {
    this.parts.tools(this.pressed());
    this.tick();
  }

  // The needle follows the sound while it plays.
  tick() {
    cancelAnimationFrame(this.frame);
    if (!this.clip || !this.needle?.isConnected) return;
    const seconds = Math.min(this.player.currentTime, this.clip.duration);
    this.needle.style.left = `${(seconds / this.clip.duration) * 100}%`;
    this.time.textContent = this.say("audio.time", { at: this.say.seconds(seconds), whole: this.say.seconds(this.clip.duration), speed: this.say.number(this.settings.speed) });
    if (!this.player.paused) this.frame = requestAnimationFrame(() => this.tick());
  }

  clear() {
    super.clear();
    this.clip = null;
    this.player.pause();
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.player.pause();
    this.player.removeAttribute("src");
  }
}

function mono(sound) {
  const first = sound.getChannelData(0);
  if (sound.numberOfChannels === 1) return first;
  const mixed = Float32Array.from(first);
  for (let channel = 1; channel < sound.numberOfChannels; channel += 1) {
    const data = sound.getChannelData(channel);
    for (let at = 0; at < mixed.length; at += 1) mixed[at] += data[at];
  }
  return mixed.map((value) => value / sound.numberOfChannels);
}

function paintSpectrum({ db, columns, rows, floorDb }) {
  const canvas = new OffscreenCanvas(columns, rows);
  const pen = canvas.getContext("2d");
  const pixels = pen.createImageData(columns, rows);
  for (let column = 0; column < columns; column += 1) {
    for (let row = 0; row < rows; row += 1) {
      const colour = colourOf(1 + db[column * rows + row] / floorDb);
      pixels.data.set([...colour, 255], ((rows - 1 - row) * columns + column) * 4);
    }
  }
  pen.putImageData(pixels, 0, 0);
  return canvas;
}

// Dark is quiet, light is loud; the ramp keeps its order for colour-blind eyes and in grey.
function colourOf(share) {
  const at = Math.min(0.9999, Math.max(0, share)) * (RAMP.length - 1);
  const [from, to] = [RAMP[Math.floor(at)], RAMP[Math.floor(at) + 1]];
  return from.map((value, index) => Math.round(value + (to[index] - value) * (at % 1)));
}
