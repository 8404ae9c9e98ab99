// The help overlay: every key with what it does, and a button to give an action another key.

import { ACTIONS, exchanged, isFor, refusal } from "./keys.js";
import { make } from "./text.js";

const FIXED_ROWS = [
  { keys: "0–9", id: "label" },
  { keys: "← →", id: "history", kind: "image" },
  { keys: "← →", id: "history_item", but: "image" },
  { keys: "⇧ + ←↑↓→", id: "pan", kind: "image" },
  { keys: "↑ ↓", id: "scroll", kind: "tabular" },
  { keys: "↑ ↓", id: "scroll", kind: "text" },
  { keys: "␣", id: "play", kind: "audio" },
  { keys: "⇧ + ␣", id: "play_writing", kind: "audio" },
  { keys: "Enter", id: "confirm", kind: "image" },
  { keys: "Enter", id: "confirm_item", but: "image" },
  { keys: "Esc", id: "cancel", kind: "image" },
  { keys: "Esc", id: "cancel_item", but: "image" },
];

// onChange(bindings) stores a choice; onDefaults() goes back to the keys as delivered. A letter that has a meaning is
// refused; pressed a second time, the two are exchanged.
export function openHelp(dialog, say, bindings, kind, { onChange, onDefaults }) {
  const state = { action: null, note: say("help.rebind_hint"), offered: null };
  const note = make("p", { className: "hint", role: "status", text: state.note });
  const rows = ["decide", "view"].map((group) => section(group, say, bindings, kind, (id) => listen(id)));
  const defaults = make("button", { type: "button", text: say("help.defaults") });
  defaults.addEventListener("click", onDefaults);

  function listen(id) {
    Object.assign(state, { action: id, offered: null });
    note.textContent = say("help.press_key", { action: say(`action.${id}`) });
  }

  dialog.open(say("help.title"), [make("div", { className: "help" }, rows), note, defaults], (press, event, letter) => {
    if (!state.action) {
      if (press?.action === "help" && !press.isRepeat) dialog.close();
      return;
    }
    if (letter === null || press.isRepeat) return;
    event.preventDefault();
    const problem = refusal(bindings, state.action, letter);
    if (!problem) return onChange({ ...bindings, [state.action]: letter });
    if (state.offered?.letter === letter) return onChange(state.offered.bindings);
    const exchange = problem.reason === "taken" ? exchanged(bindings, state.action, letter) : null;
    state.offered = exchange && { letter, bindings: exchange };
    const other = problem.other ? say(`action.${problem.other}`) : "";
    note.textContent = say(exchange ? "help.exchange" : `help.refused.${problem.reason}`, { key: letter.toUpperCase(), other });
  });
}

function section(group, say, bindings, kind, onPick) {
  const list = make("dl", {}, [make("dt", { className: "group", text: say(`help.group.${group}`) })]);
  for (const { id } of ACTIONS.filter((action) => action.group === group && isFor(action.id, kind))) {
    const cap = make("button", { type: "button", className: "cap", text: bindings[id].toUpperCase() });
    cap.setAttribute("aria-label", say("help.change", { action: say(`action.${id}`), key: bindings[id].toUpperCase() }));
    cap.addEventListener("click", () => onPick(id));
    list.append(make("div", {}, [make("dt", {}, [cap]), make("dd", { text: say(`action.${id}`) })]));
  }
  if (group === "decide") {
    for (const { keys, id } of FIXED_ROWS.filter((row) => (row.kind ?? kind) === kind && row.but !== kind)) {
      const cap = make("span", { className: "cap fixed", text: keys });
      list.append(make("div", {}, [make("dt", {}, [cap]), make("dd", { text: say(`action.${id}`) })]));
    }
  }
  return list;
}
