// Where a picture lies in its pane. One view (zoom and centre in parts of the picture) drives item and golden
// sample alike, so they always show the same place. Pure.

export const WHOLE = Object.freeze({ zoom: 1, x: 0.5, y: 0.5, brightness: 1, contrast: 1 });
export const MAX_ZOOM = 32;
const STEP = 1.25;
const LIGHT = { min: 0.2, max: 4, step: 0.1 };

const between = (value, low, high) => Math.min(high, Math.max(low, value));

// {scale, x, y, width, height} of a picture in a pane, in the pane's pixels.
export function place(view, pane, picture) {
  const fit = Math.min(pane.width / picture.width, pane.height / picture.height);
  const scale = fit * view.zoom;
  const width = picture.width * scale;
  const height = picture.height * scale;
  return { scale, width, height, x: pane.width / 2 - view.x * width, y: pane.height / 2 - view.y * height };
}

// The same view, kept so that the picture covers the pane wherever it can.
export function settle(view, pane, picture) {
  const { width, height } = place(view, pane, picture);
  const centre = (at, shown, room) => (shown <= room ? 0.5 : between(at, room / 2 / shown, 1 - room / 2 / shown));
  return { ...view, x: centre(view.x, width, pane.width), y: centre(view.y, height, pane.height) };
}

// Zoom by `factor`, keeping the point of the picture under (atX, atY) of the pane where it is.
export function zoomAt(view, factor, pane, picture, atX = pane.width / 2, atY = pane.height / 2) {
  const zoom = between(view.zoom * factor, 1, MAX_ZOOM);
  const before = place(view, pane, picture);
  const u = (atX - before.x) / before.width;
  const v = (atY - before.y) / before.height;
  const ratio = zoom / view.zoom;
  const x = u + (pane.width / 2 - atX) / (before.width * ratio);
  const y = v + (pane.height / 2 - atY) / (before.height * ratio);
  return settle({ ...view, zoom, x, y }, pane, picture);
}

export const zoomStep = (view, direction, pane, picture) => zoomAt(view, STEP ** direction, pane, picture);

// Move what is seen by a distance in the pane's pixels.
export function panBy(view, dx, dy, pane, picture) {
  const { width, height } = place(view, pane, picture);
  return settle({ ...view, x: view.x + dx / width, y: view.y + dy / height }, pane, picture);
}

// Show a box of the picture (in its pixels) in the middle, with room around it.
export function lookAt(view, box, pane, picture) {
  const room = Math.min(picture.width / Math.max(1, box.width * 3), picture.height / Math.max(1, box.height * 3));
  const x = (box.x + box.width / 2) / picture.width;
  const y = (box.y + box.height / 2) / picture.height;
  return settle({ ...view, zoom: between(room, 1, 8), x, y }, pane, picture);
}

// One step brighter, darker, harder or softer; `what` is "brightness" or "contrast".
export function lightStep(view, what, direction) {
  const value = Math.round((view[what] + direction * LIGHT.step) * 100) / 100;
  return { ...view, [what]: between(value, LIGHT.min, LIGHT.max) };
}

export const isWhole = (view) => view.zoom <= 1.0001;

// A view read from storage, or the whole picture when it is not one.
export function viewFrom(saved) {
  const isView = saved && Object.keys(WHOLE).every((key) => Number.isFinite(saved[key]));
  return isView ? { ...WHOLE, ...saved, zoom: between(saved.zoom, 1, MAX_ZOOM) } : { ...WHOLE };
}
