// The help overlay: every key with what it does, and a button to give an action another key.

import { ACTIONS, refusal } from "./keys.js";
import { make } from "./text.js";

const FIXED_ROWS = [
  ["0–9", "label"],
  ["← →", "history"],
  ["⇧ + ←↑↓→", "pan"],
  ["Enter", "confirm"],
  ["Esc", "cancel"],
];

// onBind(action, key) stores a choice; onDefaults() goes back to the keys as delivered.
export function openHelp(dialog, say, bindings, { onBind, onDefaults }) {
  const state = { action: null, note: say("help.rebind_hint") };
  const note = make("p", { className: "hint", role: "status", text: state.note });
  const rows = ["decide", "view"].map((group) => section(group, say, bindings, (id) => listen(id)));
  const defaults = make("button", { type: "button", text: say("help.defaults") });
  defaults.addEventListener("click", onDefaults);

  function listen(id) {
    state.action = id;
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
    if (problem) {
      const other = problem.other ? say(`action.${problem.other}`) : "";
      note.textContent = say(`help.refused.${problem.reason}`, { key: letter.toUpperCase(), other });
      return;
    }
    onBind(state.action, letter);
  });
}

function section(group, say, bindings, onPick) {
  const list = make("dl", {}, [make("dt", { className: "group", text: say(`help.group.${group}`) })]);
  for (const { id } of ACTIONS.filter((action) => action.group === group)) {
    const cap = make("button", { type: "button", className: "cap", text: bindings[id].toUpperCase() });
    cap.setAttribute("aria-label", say("help.change", { action: say(`action.${id}`), key: bindings[id].toUpperCase() }));
    cap.addEventListener("click", () => onPick(id));
    list.append(make("div", {}, [make("dt", {}, [cap]), make("dd", { text: say(`action.${id}`) })]));
  }
  if (group === "decide") {
    for (const [keys, id] of FIXED_ROWS) {
      const cap = make("span", { className: "cap fixed", text: keys });
      list.append(make("div", {}, [make("dt", {}, [cap]), make("dd", { text: say(`action.${id}`) })]));
    }
  }
  return list;
}
