// localStorage, in memory.

export class MemoryStorage {
  constructor() {
    this.map = new Map();
  }

  get length() {
    return this.map.size;
  }

  key(index) {
    return [...this.map.keys()][index] ?? null;
  }

  getItem(key) {
    return this.map.get(key) ?? null;
  }

  setItem(key, value) {
    this.map.set(key, String(value));
  }

  removeItem(key) {
    this.map.delete(key);
  }
}

// Let everything that waits for an already settled promise run.
export const settle = async () => {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
};

// A timer that runs when the test says so.
export class ManualTimer {
  constructor() {
    this.waiting = [];
    this.set = (run, ms) => this.waiting.push({ run, ms });
  }

  async fire() {
    const due = this.waiting;
    this.waiting = [];
    for (const { run } of due) run();
    await settle();
  }
}
