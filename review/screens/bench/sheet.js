// What tables, texts and sounds have in common: a sheet on the stage, the item's context from the server, own settings.

const KEEP = 30;
const SCROLL_PX = 80;

export class Sheet {
  // key: where the settings of this person and model are kept.
  constructor({ parts, say, api, key }) {
    Object.assign(this, { parts, say, api, key, tools: [], repeatable: [], settings: {} });
    this.place = parts.at.sheet;
    this.contexts = new Map(); // task id -> {promise, value, isOver}
    this.screen = null;
    this.session = null;
    this.place.setAttribute("role", "region");
    this.place.setAttribute("aria-label", say("aria.sheet"));
  }

  // What a screen reader says of an item beside its name.
  words() {
    return "";
  }

  // What the server knows about an item beside its inputs; asked once, ahead of need. Never fails: no context is null.
  context(task) {
    let entry = this.contexts.get(task.id);
    if (!entry) {
      entry = { value: null, isOver: false };
      entry.promise = this.ask(task, entry);
      this.contexts.set(task.id, entry);
      if (this.contexts.size > KEEP) this.contexts.delete(this.contexts.keys().next().value);
    }
    return entry;
  }

  async ask(task, entry) {
    try {
      entry.value = await this.api.context(task.id);
    } catch {
      entry.value = null;
    }
    entry.isOver = true;
    return entry.value;
  }

  // Ask anew: after an answer the server may tell more.
  askAgain(task) {
    this.contexts.delete(task.id);
    return this.context(task).promise;
  }

  warm(task) {
    this.context(task);
  }

  actions() {
    const look = (direction) => () => this.session.look(direction);
    const scroll = (direction) => () => (this.place.scrollTop += direction * SCROLL_PX);
    return { left: look(-1), right: look(1), up: scroll(-1), down: scroll(1) };
  }

  begin() {}
  captions() {}
  resize() {}
  revealed() {}
  close() {}

  clear() {
    this.place.replaceChildren();
  }

  pressed() {
    return {};
  }

  restore() {
    try {
      this.settings = { ...this.settings, ...JSON.parse(window.localStorage.getItem(this.key)) };
    } catch {
      // start with the usual settings
    }
    this.parts.tools(this.pressed());
  }

  change(settings) {
    Object.assign(this.settings, settings);
    try {
      window.localStorage.setItem(this.key, JSON.stringify(this.settings));
    } catch {
      // settings that are forgotten cost nothing
    }
    this.parts.tools(this.pressed());
  }
}

// Nothing to show: the notice says so, and the item can be skipped.
export function nothingHere() {
  const error = new Error("nothing to show");
  error.kind = "refused";
  error.code = "none";
  return error;
}
