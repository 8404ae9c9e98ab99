// Pictures decoded ahead of need. A decoded picture costs 4 bytes a pixel, so the oldest ones are let go.

const BUDGET_PIXELS = 80_000_000;
const SMALL_PIXELS = 1024; // longest side of the reduced copy
const PINNED = 12; // what is on screen and next in line is never let go

export class ImageCache {
  // load(sha256) -> Blob or throws ApiFailure; decode(blob) -> {width, height, close?()}
  constructor(load, decode, { budget = BUDGET_PIXELS, pinned = PINNED } = {}) {
    Object.assign(this, { load, decode, budget, pinned });
    this.entries = new Map(); // sha256 -> {promise, picture}; the order is the order of use
  }

  // The decoded picture when it is ready now, else null. Never waits.
  ready(sha256) {
    return this.entries.get(sha256)?.picture ?? null;
  }

  get(sha256) {
    let entry = this.entries.get(sha256);
    if (entry) this.entries.delete(sha256);
    else entry = this.begin(sha256);
    this.entries.set(sha256, entry);
    return entry.promise;
  }

  begin(sha256) {
    const entry = { picture: null, promise: null };
    entry.promise = this.fetch(sha256, entry).catch((failure) => {
      if (this.entries.get(sha256) === entry) this.entries.delete(sha256); // the next get tries again
      throw failure;
    });
    entry.promise.catch(() => {}); // whoever waits hears of it; a prefetch alone does not complain
    return entry;
  }

  async fetch(sha256, entry) {
    const blob = await this.load(sha256);
    entry.picture = await this.decode(blob);
    this.trim();
    return entry.picture;
  }

  trim() {
    const pixels = ({ picture }) => (picture ? picture.width * picture.height : 0);
    let total = [...this.entries.values()].reduce((sum, entry) => sum + pixels(entry), 0);
    const candidates = [...this.entries].slice(0, -this.pinned);
    for (const [sha256, entry] of candidates) {
      if (total <= this.budget) break;
      if (!entry.picture) continue;
      total -= pixels(entry);
      this.entries.delete(sha256);
      entry.picture.close?.();
    }
  }
}

// A decoded picture: {width, height, source, small, close()}. `small` is a reduced copy of a large one: scaling
// 4 million pixels at each drawing costs 30 ms and more, a copy made ahead of need nothing.
export async function decodeImage(blob) {
  try {
    const source = await createImageBitmap(blob);
    const { width, height } = source;
    const share = SMALL_PIXELS / Math.max(width, height);
    const size = { resizeWidth: Math.round(width * share), resizeHeight: Math.round(height * share) };
    const small = share < 0.75 ? await createImageBitmap(blob, { ...size, resizeQuality: "high" }) : null;
    const close = () => [source, small].forEach((bitmap) => bitmap?.close());
    return { width, height, source, small, close };
  } catch {
    const error = new Error("undecodable");
    error.kind = "refused";
    error.code = "undecodable";
    throw error;
  }
}
