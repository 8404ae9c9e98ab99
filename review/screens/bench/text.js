// Texts come from the catalogue as data; this fills in names and numbers the way the person writes them.

export function makeText(strings, locale) {
  const numbers = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  const shown = (value) => (typeof value === "number" ? numbers.format(value) : String(value));
  const exact = new Intl.NumberFormat(locale, { maximumSignificantDigits: 9 });
  const clock = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  function say(key, params = {}) {
    const text = strings[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? shown(params[name]) : whole));
  }
  say.number = (value) => exact.format(value); // a measured value, with its digits
  say.decimal = numbers.formatToParts(1.5).find(({ type }) => type === "decimal").value; // a point or a comma
  say.seconds = (value) => clock.format(value);
  return say;
}

// An element with text, classes and attributes; text is never read as HTML.
export function make(tag, { text, className, ...attributes } = {}, children = []) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}
