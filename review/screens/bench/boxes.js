// Boxes in the pixels of the item's picture: {x, y, width, height}. Drawn by a person to show a missed defect. Pure.

const SMALLEST = 4;

// The box between two corners, inside the picture; null when it is too small to be meant.
export function boxBetween(from, to, picture) {
  const clamp = (value, most) => Math.min(most, Math.max(0, value));
  const left = clamp(Math.min(from.x, to.x), picture.width);
  const top = clamp(Math.min(from.y, to.y), picture.height);
  const width = clamp(Math.max(from.x, to.x), picture.width) - left;
  const height = clamp(Math.max(from.y, to.y), picture.height) - top;
  if (width < SMALLEST || height < SMALLEST) return null;
  return { x: Math.round(left), y: Math.round(top), width: Math.round(width), height: Math.round(height) };
}

// Where drawing by keyboard starts: a tenth of the picture, in the middle of what is seen.
export function firstBox(view, picture) {
  const width = Math.round(picture.width / (10 * Math.sqrt(view.zoom)));
  const height = Math.round(picture.height / (10 * Math.sqrt(view.zoom)));
  return nudge({ x: view.x * picture.width - width / 2, y: view.y * picture.height - height / 2, width, height }, 0, 0, picture);
}

// Move a box, staying inside the picture.
export function nudge(box, dx, dy, picture) {
  const x = Math.min(picture.width - box.width, Math.max(0, box.x + dx));
  const y = Math.min(picture.height - box.height, Math.max(0, box.y + dy));
  return { ...box, x: Math.round(x), y: Math.round(y) };
}

// Make a box larger or smaller at its right and lower edge.
export function resize(box, dx, dy, picture) {
  const width = Math.min(picture.width - box.x, Math.max(SMALLEST, box.width + dx));
  const height = Math.min(picture.height - box.y, Math.max(SMALLEST, box.height + dy));
  return { ...box, width: Math.round(width), height: Math.round(height) };
}

// The index after `index`, going round; -1 when there are none.
export function step(index, direction, count) {
  if (count === 0) return -1;
  if (index < 0) return direction > 0 ? 0 : count - 1;
  return (index + direction + count) % count;
}
