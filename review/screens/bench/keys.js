// Which key does what: the defaults, a person's own choices, and why a choice is refused.
// C and R belong to Streamlit, digits to the labels; no punctuation, no Ctrl chords.

export const KINDS = ["image", "tabular", "text", "audio"];
export const RESERVED = new Set(["c", "r"]);

export const ACTIONS = [
  { id: "ok", key: "j", group: "decide" },
  { id: "not_ok", key: "f", group: "decide" },
  { id: "find", key: "y", group: "decide" },
  { id: "unsure", key: "u", group: "decide" },
  { id: "skip", key: "k", group: "decide" },
  { id: "undo", key: "z", group: "decide" },
  { id: "comment", key: "t", group: "decide" },
  { id: "reveal", key: "i", group: "decide" },
  { id: "help", key: "h", group: "decide" },
  { id: "pause", key: "p", group: "decide" },
  ...[
    { id: "zoom_in", key: "e" },
    { id: "zoom_out", key: "q" },
    { id: "brighter", key: "w" },
    { id: "darker", key: "s" },
    { id: "contrast_up", key: "d" },
    { id: "contrast_down", key: "a" },
    { id: "reset", key: "x" },
    { id: "overlay", key: "g" },
    { id: "blink", key: "b" },
    { id: "difference", key: "v" },
    { id: "box_next", key: "n" },
    { id: "box_previous", key: "m" },
    { id: "boxes", key: "l" },
    { id: "draw", key: "o" },
  ].map((action) => ({ ...action, group: "view", kinds: ["image"] })),
  { id: "write", key: "o", group: "decide", kinds: ["tabular", "text", "audio"] },
  { id: "bulk", key: "b", group: "decide", kinds: ["tabular"] },
  { id: "odd_only", key: "v", group: "view", kinds: ["tabular"] },
  { id: "neighbours", key: "n", group: "view", kinds: ["tabular"] },
  { id: "bigger", key: "e", group: "view", kinds: ["text"] },
  { id: "smaller", key: "q", group: "view", kinds: ["text"] },
  { id: "spans", key: "l", group: "view", kinds: ["text"] },
  { id: "forward", key: "e", group: "view", kinds: ["audio"] },
  { id: "backward", key: "q", group: "view", kinds: ["audio"] },
  { id: "faster", key: "d", group: "view", kinds: ["audio"] },
  { id: "slower", key: "a", group: "view", kinds: ["audio"] },
  { id: "restart", key: "x", group: "view", kinds: ["audio"] },
  { id: "segment_next", key: "n", group: "view", kinds: ["audio"] },
  { id: "segment_previous", key: "m", group: "view", kinds: ["audio"] },
  { id: "segments", key: "l", group: "view", kinds: ["audio"] },
];

// One letter may mean one thing for pictures and another for sounds: what is never on together cannot conflict.
const kindsOf = (id) => ACTIONS.find((action) => action.id === id)?.kinds ?? KINDS;
export const isFor = (id, kind) => kindsOf(id).includes(kind);

const FIXED = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
  Enter: "confirm",
  Escape: "cancel",
  Delete: "delete",
  Backspace: "delete",
};

// The Latin letter or digit of a key press, whatever layout or input method is on (Telex, AZERTY, Cyrillic).
export function letterOf(event) {
  const key = (event.key ?? "").toLowerCase();
  if (/^[a-z0-9]$/.test(key)) return key;
  const physical = /^(?:Key|Digit|Numpad)([A-Z0-9])$/.exec(event.code ?? "");
  return physical ? physical[1].toLowerCase() : null;
}

// null when `key` may be bound to `action`, else {reason, other?}: "not_a_letter", "reserved" or "taken".
export function refusal(bindings, action, key) {
  if (!/^[a-z]$/.test(key)) return { reason: "not_a_letter" };
  if (RESERVED.has(key)) return { reason: "reserved" };
  const isTogether = (id) => kindsOf(id).some((kind) => isFor(action, kind));
  const other = Object.keys(bindings).find((id) => id !== action && bindings[id] === key && isTogether(id));
  return other ? { reason: "taken", other } : null;
}

const isSound = (bindings) => Object.entries(bindings).every(([id, key]) => refusal(bindings, id, key) === null);

// The keys after `action` took `key` and those that had it took the old one in its stead; null when even then two
// would conflict. Nearly all letters have a meaning for pictures, so a key is mostly changed by an exchange.
export function exchanged(bindings, action, key) {
  if (!/^[a-z]$/.test(key) || RESERVED.has(key)) return null;
  const isTogether = (id) => kindsOf(id).some((kind) => isFor(action, kind));
  const others = Object.keys(bindings).filter((id) => id !== action && bindings[id] === key && isTogether(id));
  const made = { ...bindings, [action]: key };
  for (const id of others) made[id] = bindings[action];
  return isSound(made) ? made : null;
}

// The defaults with a person's own keys laid over them; a saved set that conflicts falls back to the defaults.
// "find" is younger than some saved sets: where its letter is a person's own, it takes one that is free.
export function bindingsFrom(own) {
  const defaults = Object.fromEntries(ACTIONS.map(({ id, key }) => [id, key]));
  const bindings = { ...defaults };
  for (const [id, key] of Object.entries(own ?? {})) if (id in defaults) bindings[id] = key;
  const free = "find" in (own ?? {}) ? [] : [..."abcdefghijklmnopqrstuvwxyz"].map((find) => ({ ...bindings, find }));
  return [bindings, ...free].find(isSound) ?? defaults;
}

// Only what differs from the defaults is kept with the person.
export function ownBindings(bindings) {
  return Object.fromEntries(ACTIONS.filter(({ id, key }) => bindings[id] !== key).map(({ id }) => [id, bindings[id]]));
}

// Turns key presses into actions. A key that is held down, or seen again without having been let go, acts once.
export class Keys {
  constructor(bindings, kind = "image") {
    this.kind = kind;
    this.bind(bindings);
    this.down = new Set();
  }

  bind(bindings) {
    this.bindings = bindings;
    const mine = Object.entries(bindings).filter(([id]) => isFor(id, this.kind));
    this.actions = new Map(mine.map(([id, key]) => [key, id]));
  }

  // {action} or {digit}, with {isRepeat, isShift}; null when the press is none of ours.
  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
    const code = event.code || event.key;
    const isRepeat = Boolean(event.repeat) || this.down.has(code);
    this.down.add(code);
    const extra = { isRepeat, isShift: Boolean(event.shiftKey) };
    if (event.key === " ") return this.kind === "audio" ? { action: "play", ...extra } : null;
    if (FIXED[event.key]) return { action: FIXED[event.key], ...extra };
    const letter = letterOf(event);
    if (letter === null) return null;
    if (/[0-9]/.test(letter)) return { digit: letter, ...extra };
    const action = this.actions.get(letter);
    return action ? { action, ...extra } : null;
  }

  release(event) {
    this.down.delete(event.code || event.key);
  }

  // The window lost the focus: key-up events were not seen.
  forget() {
    this.down.clear();
  }
}
