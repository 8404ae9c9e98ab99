// Where a number lies in its reference, as places along a bar from 0 to 1. Pure.

// Places of the quantiles: the usual middle gets most of the bar, wild values cannot squeeze it together.
const STOPS = [
  ["low", 0.08],
  ["rare_low", 0.18],
  ["rare_high", 0.82],
  ["high", 0.92],
];
const ENDS = [0.02, 0.98];

// The place of `value` on the bar of `field`, or null when there is no range.
export function placeOf(value, field) {
  if (!Number.isFinite(value) || !Number.isFinite(field.low) || !Number.isFinite(field.high)) return null;
  if (value < field.low) return ENDS[0];
  if (value > field.high) return ENDS[1];
  for (let index = 1; index < STOPS.length; index += 1) {
    const [from, start] = STOPS[index - 1];
    const [to, end] = STOPS[index];
    if (value > field[to]) continue;
    const width = field[to] - field[from];
    return width > 0 ? start + ((value - field[from]) / width) * (end - start) : (start + end) / 2;
  }
  return STOPS.at(-1)[1];
}

// {value, band: [from, to], middle: [from, to], median, beyond: -1|0|1} for drawing, or null.
export function barOf(field) {
  if (field.kind !== "number" || field.median === null || field.median === undefined) return null;
  const at = (name) => placeOf(field[name], field);
  return {
    value: typeof field.value === "number" ? placeOf(field.value, field) : null,
    band: [at("rare_low"), at("rare_high")],
    middle: [at("quarter"), at("three_quarters")],
    median: at("median"),
    beyond: field.value < field.low ? -1 : field.value > field.high ? 1 : 0,
  };
}

// The inputs in which a neighbour differs most from the item, at most `n`: [{name, from, to}].
export function differences(inputs, other, fields, n = 3) {
  const spanOf = Object.fromEntries(fields.map((field) => [field.name, field.rare_high - field.rare_low]));
  const gap = (name) => {
    const [a, b] = [inputs[name], other[name]];
    if (typeof a !== "number" || typeof b !== "number") return a === b ? 0 : 1;
    return spanOf[name] > 0 ? Math.min(1, Math.abs(a - b) / spanOf[name]) : Number(a !== b);
  };
  const names = [...new Set([...Object.keys(inputs), ...Object.keys(other)])];
  const found = names.map((name) => ({ name, from: inputs[name] ?? null, to: other[name] ?? null, gap: gap(name) }));
  return found.filter((one) => one.gap > 0).sort((a, b) => b.gap - a.gap).slice(0, n);
}
