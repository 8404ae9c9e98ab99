// Which key does what: the defaults, a person's own choices, and why a choice is refused.
// C and R belong to Streamlit, digits to the labels; no punctuation, no Ctrl chords.

export const RESERVED = new Set(["c", "r"]);

export const ACTIONS = [
  { id: "ok", key: "j", group: "decide" },
  { id: "not_ok", key: "f", group: "decide" },
  { id: "unsure", key: "u", group: "decide" },
  { id: "skip", key: "k", group: "decide" },
  { id: "undo", key: "z", group: "decide" },
  { id: "comment", key: "t", group: "decide" },
  { id: "reveal", key: "i", group: "decide" },
  { id: "help", key: "h", group: "decide" },
  { id: "pause", key: "p", group: "decide" },
  { id: "zoom_in", key: "e", group: "view" },
  { id: "zoom_out", key: "q", group: "view" },
  { id: "brighter", key: "w", group: "view" },
  { id: "darker", key: "s", group: "view" },
  { id: "contrast_up", key: "d", group: "view" },
  { id: "contrast_down", key: "a", group: "view" },
  { id: "reset", key: "x", group: "view" },
  { id: "overlay", key: "g", group: "view" },
  { id: "blink", key: "b", group: "view" },
  { id: "difference", key: "v", group: "view" },
  { id: "box_next", key: "n", group: "view" },
  { id: "box_previous", key: "m", group: "view" },
  { id: "boxes", key: "l", group: "view" },
  { id: "draw", key: "o", group: "view" },
];

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
  const other = Object.keys(bindings).find((id) => id !== action && bindings[id] === key);
  return other ? { reason: "taken", other } : null;
}

// The defaults with a person's own keys laid over them; a saved set that conflicts falls back to the defaults.
export function bindingsFrom(own) {
  const defaults = Object.fromEntries(ACTIONS.map(({ id, key }) => [id, key]));
  const bindings = { ...defaults };
  for (const [id, key] of Object.entries(own ?? {})) if (id in defaults) bindings[id] = key;
  const isSound = Object.entries(bindings).every(([id, key]) => refusal(bindings, id, key) === null);
  return isSound ? bindings : defaults;
}

// Only what differs from the defaults is kept with the person.
export function ownBindings(bindings) {
  return Object.fromEntries(ACTIONS.filter(({ id, key }) => bindings[id] !== key).map(({ id }) => [id, bindings[id]]));
}

// Turns key presses into actions. A key that is held down, or seen again without having been let go, acts once.
export class Keys {
  constructor(bindings) {
    this.bind(bindings);
    this.down = new Set();
  }

  bind(bindings) {
    this.bindings = bindings;
    this.actions = new Map(Object.entries(bindings).map(([id, key]) => [key, id]));
  }

  // {action} or {digit}, with {isRepeat, isShift}; null when the press is none of ours.
  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
    const code = event.code || event.key;
    const isRepeat = Boolean(event.repeat) || this.down.has(code);
    this.down.add(code);
    const extra = { isRepeat, isShift: Boolean(event.shiftKey) };
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
