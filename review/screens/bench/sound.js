// Numbers of a sound for drawing: its sample rate, its outline, its spectrogram. Pure.

const ascii = (view, at, n) => String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, n));

// The sample rate that a WAV, FLAC or OGG file declares, or null: decoding at another rate would stretch the picture.
export function sampleRateOf(buffer) {
  const view = new DataView(buffer);
  if (view.byteLength < 48) return null;
  if (ascii(view, 0, 4) === "RIFF") return rateOfWav(view);
  if (ascii(view, 0, 4) === "fLaC") return (view.getUint32(18) >>> 12) || null;
  if (ascii(view, 0, 4) !== "OggS") return null;
  const head = ascii(view, 0, Math.min(200, view.byteLength));
  if (head.includes("OpusHead")) return 48_000;
  const at = head.indexOf("\x01vorbis");
  return at >= 0 ? view.getUint32(at + 12, true) : null;
}

function rateOfWav(view) {
  for (let at = 12; at + 16 <= view.byteLength; ) {
    if (ascii(view, at, 4) === "fmt ") return view.getUint32(at + 12, true);
    const size = view.getUint32(at + 4, true);
    at += 8 + size + (size % 2);
  }
  return null;
}

// Smallest and largest sample in each of `n` columns: {low, high} as Float32Array.
export function outline(samples, n) {
  const low = new Float32Array(n);
  const high = new Float32Array(n);
  for (let column = 0; column < n; column += 1) {
    const from = Math.floor((column * samples.length) / n);
    const to = Math.max(from + 1, Math.floor(((column + 1) * samples.length) / n));
    for (let at = from; at < to && at < samples.length; at += 1) {
      if (samples[at] < low[column]) low[column] = samples[at];
      if (samples[at] > high[column]) high[column] = samples[at];
    }
  }
  return { low, high };
}

// The Fourier transform of real and imaginary parts in place; the length is a power of two.
export function transform(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i += 1) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  for (let size = 2; size <= n; size <<= 1) {
    const half = size >> 1;
    const angle = (-2 * Math.PI) / size;
    for (let k = 0; k < half; k += 1) {
      const [c, s] = [Math.cos(angle * k), Math.sin(angle * k)];
      for (let i = k; i < n; i += size) {
        const [x, y] = [re[i + half] * c - im[i + half] * s, re[i + half] * s + im[i + half] * c];
        re[i + half] = re[i] - x;
        im[i + half] = im[i] - y;
        re[i] += x;
        im[i] += y;
      }
    }
  }
}

// Loudness in dB below the loudest point, columns x (window / 2) rows from low to high frequency; 25 ms Hann windows.
export function spectrogram(samples, rate, { columns = 480, floorDb = 80 } = {}) {
  const size = 2 ** Math.max(6, Math.min(11, Math.round(Math.log2(rate * 0.025))));
  const rows = size / 2;
  const n = Math.max(1, Math.min(columns, Math.ceil(samples.length / Math.max(1, size / 8))));
  const window = Float64Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));
  const power = new Float32Array(n * rows);
  let loudest = 1e-20;
  for (let column = 0; column < n; column += 1) {
    const begin = Math.round(((column + 0.5) * samples.length) / n - size / 2);
    const re = Float64Array.from(window, (weight, i) => weight * (samples[begin + i] ?? 0));
    const im = new Float64Array(size);
    transform(re, im);
    for (let row = 0; row < rows; row += 1) {
      const value = re[row] ** 2 + im[row] ** 2;
      power[column * rows + row] = value;
      if (value > loudest) loudest = value;
    }
  }
  const db = power.map((value) => Math.max(-floorDb, 10 * Math.log10(Math.max(value, 1e-20) / loudest)));
  return { db, columns: n, rows, floorDb, topHz: rate / 2 };
}

// The segment (by index) before or after a moment, or -1: where playing goes next.
export function stepSegment(segments, at, direction) {
  const slack = 0.05;
  const ahead = at < 0.005 ? -1 : at + 0.005; // at the beginning the first one is ahead, wherever it starts
  if (direction > 0) return segments.findIndex((segment) => segment.start_s > ahead);
  for (let index = segments.length - 1; index >= 0; index -= 1) if (segments[index].start_s < at - slack) return index;
  return -1;
}
