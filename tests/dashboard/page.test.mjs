// Which tabs a sign-out reaches: those that hear of it, those that missed the message, and never a page loaded later.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MARK, SignOut } from "../../dashboard/kit/frontend/page.js";
import { MemoryStorage } from "../bench/memory_storage.mjs";

// One browser: a clock and a storage that all its tabs share. `deaf` tabs get neither messages nor storage events.
class Browser {
  constructor() {
    this.now = 1_000_000;
    this.tabs = [];
    this.localStorage = new MemoryStorage();
  }

  open({ deaf = false, status = 204 } = {}) {
    const browser = this;
    const openedAt = this.now;
    const heard = {};
    const listen = (name, run) => (heard[name] = run);
    const tab = {
      addresses: [],
      requests: [],
      tell: (name, event) => heard[name]?.(event),
      document: { visibilityState: "visible", addEventListener: listen },
      addEventListener: listen,
      location: { assign: (address) => tab.addresses.push(address) },
      performance: { now: () => browser.now - openedAt },
      Date: { now: () => browser.now },
      async fetch(address) {
        tab.requests.push(address);
        if (status === 0) throw new TypeError("unreachable");
      },
      localStorage: {
        getItem: (key) => browser.localStorage.getItem(key),
        setItem(key, value) {
          browser.localStorage.setItem(key, value);
          for (const other of browser.others(tab)) other.tell("storage", { key });
        },
      },
      BroadcastChannel: class {
        constructor() {
          tab.channel = this;
        }

        postMessage(data) {
          for (const other of browser.others(tab)) other.channel?.onmessage({ data });
        }
      },
    };
    this.tabs.push({ tab, deaf });
    return tab;
  }

  others(tab) {
    return this.tabs.filter((known) => known.tab !== tab && !known.deaf).map((known) => known.tab);
  }
}

const load = (tab) => Object.assign(tab, { signOut: new SignOut(tab) });

test("signing out ends the session first, then this tab and every other one leave once", async () => {
  const browser = new Browser();
  const [first, second] = [load(browser.open()), load(browser.open())];
  browser.now += 5000;
  await first.signOut.leave();
  assert.deepEqual(first.requests, ["/v1/auth/logout"]);
  assert.deepEqual([first.addresses, second.addresses], [["/login"], ["/login"]]);
});

test("a tab that heard nothing leaves when it is seen again", async () => {
  const browser = new Browser();
  const [first, asleep] = [load(browser.open()), load(browser.open({ deaf: true }))];
  browser.now += 5000;
  await first.signOut.leave();
  assert.deepEqual(asleep.addresses, []);
  asleep.document.visibilityState = "hidden";
  asleep.tell("visibilitychange");
  assert.deepEqual(asleep.addresses, []);
  asleep.document.visibilityState = "visible";
  asleep.tell("visibilitychange");
  assert.deepEqual(asleep.addresses, ["/login"]);
});

test("a tab whose script was not loaded yet leaves when it is", async () => {
  const browser = new Browser();
  const [first, late] = [load(browser.open()), browser.open()];
  browser.now += 300;
  await first.signOut.leave();
  browser.now += 300;
  load(late);
  assert.deepEqual(late.addresses, ["/login"]);
});

test("a page taken back from history leaves again", async () => {
  const browser = new Browser();
  const first = load(browser.open());
  browser.now += 10;
  await first.signOut.leave();
  first.tell("pageshow", { persisted: true });
  assert.deepEqual(first.addresses, ["/login", "/login"]);
});

test("a page loaded after signing in again stays, however often it is looked at", async () => {
  const browser = new Browser();
  const first = load(browser.open());
  browser.now += 10;
  await first.signOut.leave();
  browser.now += 10;
  const again = load(browser.open());
  browser.now += 60_000;
  again.tell("visibilitychange");
  again.tell("pageshow", { persisted: false });
  again.signOut.look();
  assert.deepEqual(again.addresses, []);
});

test("a clock that was set back does not sign out a new page", async () => {
  const browser = new Browser();
  const first = load(browser.open());
  browser.now += 10;
  await first.signOut.leave();
  browser.now -= 3_600_000;
  const again = load(browser.open());
  browser.now += 5000;
  again.tell("visibilitychange");
  assert.deepEqual(again.addresses, []);
});

test("other keys of the storage and a removed mark sign out nobody", async () => {
  const browser = new Browser();
  const first = load(browser.open());
  browser.now += 10;
  await first.signOut.leave();
  browser.now += 10;
  const again = load(browser.open());
  again.tell("storage", { key: "soi-bench" });
  browser.localStorage.removeItem(MARK);
  again.tell("storage", { key: MARK });
  again.tell("visibilitychange");
  assert.deepEqual(again.addresses, []);
});

test("without storage the message still reaches the other tabs", async () => {
  const browser = new Browser();
  const forbidden = () => {
    throw new Error("forbidden");
  };
  const tabs = [browser.open(), browser.open()];
  for (const tab of tabs) load(Object.assign(tab, { localStorage: { getItem: forbidden, setItem: forbidden } }));
  await tabs[0].signOut.leave();
  assert.deepEqual(tabs.map((tab) => tab.addresses), [["/login"], ["/login"]]);
});

test("a server that does not answer keeps nobody on the page", async () => {
  const browser = new Browser();
  const [first, second] = [load(browser.open({ status: 0 })), load(browser.open())];
  browser.now += 10;
  await assert.rejects(first.signOut.leave());
  assert.deepEqual([first.addresses, second.addresses], [["/login"], ["/login"]]);
});
