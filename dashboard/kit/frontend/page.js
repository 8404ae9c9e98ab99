// Keeps the page in step with the person: <html lang>, and sign-out in one tab signs out the others at once.
// A message alone can be missed (this script not loaded yet, a tab asleep, a sender that leaves the page), so a
// sign-out also leaves a mark with its time, and every tab looks at it whenever it may have missed something.

export const MARK = "soi-signed-out-at";

export class SignOut {
  constructor(tab) {
    this.tab = tab;
    this.isGoing = false;
    this.channel = new tab.BroadcastChannel("soi-account");
    this.channel.onmessage = (message) => message.data === "signed-out" && this.go();
    tab.addEventListener("storage", (event) => event.key === MARK && this.look());
    tab.addEventListener("pageshow", () => this.wake());
    tab.document.addEventListener("visibilitychange", () => tab.document.visibilityState === "visible" && this.wake());
    this.known = this.readMark();
    if (this.isMissed()) this.go();
  }

  // Whether the mark was made between the start of this page and now. A page that was loaded after signing in again
  // started later, so it stays. The start is counted back from the present clock, because performance.timeOrigin
  // falls behind it while a machine sleeps; a mark from the future is older than a clock that was set back.
  isMissed() {
    const now = this.tab.Date.now();
    const markedAt = Number(this.known);
    return markedAt > now - this.tab.performance.now() && markedAt <= now;
  }

  // Leave when a mark was made since this script was loaded.
  look() {
    const mark = this.readMark();
    if (mark !== null && mark !== this.known) this.go();
  }

  // Seen again, or taken back from the browser's store of left pages: the last try to leave may have been stopped.
  wake() {
    this.isGoing = false;
    this.look();
  }

  go() {
    if (this.isGoing) return;
    this.isGoing = true;
    this.tab.location.assign("/login");
  }

  async leave() {
    try {
      await this.tab.fetch("/v1/auth/logout", { method: "POST", credentials: "same-origin" });
    } finally {
      this.tell();
      this.go();
    }
  }

  tell() {
    this.channel.postMessage("signed-out");
    try {
      this.tab.localStorage.setItem(MARK, String(this.tab.Date.now()));
    } catch {
      // Storage is full or forbidden: the message is all that the other tabs get.
    }
  }

  readMark() {
    try {
      return this.tab.localStorage.getItem(MARK);
    } catch {
      return null;
    }
  }
}

let signOut = null;

export default function page({ data }) {
  document.documentElement.lang = data.language;
  signOut ??= new SignOut(window);
  signOut.look();
  if (data.leave && !page.isLeaving) {
    page.isLeaving = true;
    signOut.leave();
  }
}
