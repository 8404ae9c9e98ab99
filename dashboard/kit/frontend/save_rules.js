// What may go into a saved screen and how it is written: pure functions, tested with node. save.js walks the page.

/** Parts of the page that are tools, not content; secrets are never saved. */
export const LEFT_OUT = [
  "script, style, link, meta, template, noscript, iframe, object, embed, audio, video, dialog",
  "[hidden], [data-soi-private], [class*=st-key-soi_secret], [class*=st-key-soi_page]",
  "[data-testid=stElementToolbar], [data-testid=stTooltipIcon], [data-testid=stHeaderActionElements]",
  "[data-testid=stSkeleton], [data-testid=stDownloadButton], [data-testid=stLinkButton], [data-testid=stFileUploader]",
  "[data-testid=stPopover], [data-testid=stChatInput], [data-testid=stSpinner]",
  ".modebar-container, .draglayer, .hoverlayer, .zoomlayer, .dvn-scroller > .dvn-underlay ~ input",
].join(", ");

const NEVER = /^(nonce|integrity|srcset|src|action|formaction|ping|background)$/;
const OF_CONTROLS = /^aria-(haspopup|expanded|controls|activedescendant|autocomplete)$/;
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

export function escapeHtml(text) {
  return String(text).replace(/[&<>"']/g, (char) => ENTITIES[char]);
}

/** Addresses inside CSS: parts of the same picture stay, pictures in the text stay, all others are emptied. */
export function localUrls(css) {
  return css.replace(/url\(\s*(?:"([^"]*)"|'([^']*)'|([^)]*?))\s*\)/g, (whole, double, single, bare) => {
    const target = (double ?? single ?? bare ?? "").trim();
    if (target.startsWith("data:image/") || target.startsWith("data:font/")) return whole;
    const part = target.match(/#([\w:.-]+)$/);
    return part ? `url("#${part[1]}")` : 'url("data:,")';
  });
}

/** A selector that can be looked for in a page: without states and parts that no element has by itself. */
export function withoutPseudo(selector) {
  const states = "hover|focus|focus-visible|focus-within|active|visited|link|target|autofill|placeholder-shown";
  return selector
    .replace(/::[\w-]+(\([^)]*\))?/g, "")
    .replace(/:(before|after|first-letter|first-line|-(?:webkit|moz|ms)-[\w-]+)(\([^)]*\))?/g, "")
    .replace(new RegExp(`:(${states})(?![\\w-])`, "g"), "")
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one && !/[>+~]$/.test(one))
    .join(", ");
}

/** Whether an attribute may be saved: nothing that runs, loads, submits or identifies. */
export function keepsAttribute(name, value, isSvg = false) {
  const lower = name.toLowerCase();
  if (lower.startsWith("on") || NEVER.test(lower)) return false;
  if (/^(href|xlink:href)$/.test(lower)) return isSvg && /^(#|data:image\/)/.test(value);
  if (lower.startsWith("data-")) return value.length <= 40;
  if (lower.startsWith("aria-")) return !OF_CONTROLS.test(lower);
  if (isSvg) return true;
  return /^(class|style|id|role|alt|title|colspan|rowspan|scope|lang|dir|open|width|height|span|start)$/.test(lower);
}

/** The address of a link as it is read elsewhere; null when it leads to no page. */
export function linkTarget(href, origin) {
  try {
    const target = new URL(href, origin);
    return target.protocol === "http:" || target.protocol === "https:" ? target.href : null;
  } catch {
    return null;
  }
}

/** What becomes of a button: a chosen option is said, one with a picture is content, all others go. */
export function buttonFate({ isOption, isChosen, hasPicture }) {
  if (isOption) return isChosen ? "say" : "drop";
  return hasPicture ? "show" : "drop";
}

/** What becomes of an input: its value in words, or nothing. */
export function inputFate(type) {
  return /^(text|search|number|email|url|tel|date|time|datetime-local|month|week)$/.test(type) ? "say" : "drop";
}

/** A name that every system takes: letters, digits and dashes. */
export function fileName(parts, at) {
  const plain = parts
    .filter(Boolean)
    .map((part) => part.normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/đ/g, "d").replace(/Đ/g, "D"))
    .map((part) => part.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60))
    .filter(Boolean);
  const stamp = at.toISOString().slice(0, 16).replace(/[T:]/g, "-");
  return [...plain, stamp].join("-") + ".html";
}

/** The whole file. `facts` are [name, value] pairs of the heading, `look` the colours and width of the screen. */
export function wholePage({ language, title, facts, css, body, look }) {
  const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:";
  const rows = facts.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`);
  return `<!doctype html>
<html lang="${escapeHtml(language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=${look.width}">
<meta name="color-scheme" content="${look.isDark ? "dark" : "light"}">
<title>${escapeHtml(title)}</title>
<style>${closedOff(css)}</style>
<style>${closedOff(ownStyle(look))}</style>
</head>
<body>
<dl class="soi-saved-facts">${rows.join("")}</dl>
<main class="soi-saved">${body}</main>
</body>
</html>
`;
}

/** Style sheets cannot end their own element. */
export function closedOff(css) {
  return css.replace(/<\/(?=style)/gi, "<\\/");
}

function ownStyle({ ground, ink, border, font, fontSize, lineHeight, width }) {
  return `html, body { height: auto; min-height: 100%; overflow: visible; margin: 0; position: static; }
body { background: ${ground}; color: ${ink}; font-family: ${font}; font-size: ${fontSize}; line-height: ${lineHeight};
  -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.soi-saved, .soi-saved-facts { width: ${width}px; max-width: none; margin: 0 auto; box-sizing: border-box; }
.soi-saved-facts { display: flex; flex-wrap: wrap; gap: 4px 22px; padding: 14px 2rem; font-size: 12px;
  border-bottom: 1px solid ${border}; }
.soi-saved-facts div { display: flex; gap: 6px; max-width: 100%; }
.soi-saved-facts dt { margin: 0; opacity: .65; } .soi-saved-facts dd { margin: 0; overflow-wrap: anywhere; }
.soi-saved-value { display: block; padding: 6px 8px; overflow-wrap: anywhere; }
.soi-saved-reader { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.soi-saved .stMainBlockContainer { padding-top: 1.2rem; }
@media print { .soi-saved, .soi-saved-facts { zoom: ${Math.min(1, 710 / width).toFixed(3)}; }
  .js-plotly-plot, [data-testid=stMetric], img { break-inside: avoid; } }
@page { margin: 11mm; }`;
}
