// Saves what is on the screen as one file that needs nothing else: the browser writes down the main block as it is
// shown. Nothing is asked of the server, so the file holds what the person sees and not a byte more.
import {
  LEFT_OUT, buttonFate, closedOff, escapeHtml, fileName, inputFate, keepsAttribute, linkTarget, localUrls, wholePage,
  withoutPseudo,
} from "./save_rules.js";

const MAIN = "[data-testid=stMainBlockContainer]";
const VOID = new Set(["area", "br", "col", "hr", "img", "wbr"]);
const SVG = "http://www.w3.org/2000/svg";
const MAX_SIDE = 1600;
/** Photographs are many times smaller with loss; drawings and small pictures stay exact. */
const EXACT_LIMIT = 40_000;
const WAIT_MS = 4000;

export default function save({ data, parentElement }) {
  const button = parentElement.querySelector("button");
  const status = parentElement.querySelector("[role=status]");
  button.querySelector(".label").textContent = data.texts.save;
  button.title = data.texts.help;
  button.onclick = async () => {
    button.disabled = true;
    status.textContent = data.texts.saving;
    try {
      const at = new Date();
      const html = await serialise(data, at);
      download(html, fileName(["soi", screenTitle(), data.model], at));
      status.textContent = data.texts.saved;
    } catch (error) {
      console.warn("the screen could not be saved", error);
      status.textContent = data.texts.failed;
    } finally {
      button.disabled = false;
      setTimeout(() => (status.textContent = ""), 4000);
    }
  };
}

/** The file's text. */
export async function serialise(data, at) {
  const main = document.querySelector(MAIN);
  await picturesOf(main);
  const body = written(main);
  const title = [screenTitle(), data.model].filter(Boolean).join(" · ");
  return wholePage({
    language: data.language, title, body, css: styles(document, main), facts: facts(data, at), look: lookOf(main),
  });
}

function screenTitle() {
  return document.querySelector(`${MAIN} h1`)?.textContent.trim() || document.title;
}

function facts(data, at) {
  const when = new Intl.DateTimeFormat(data.language === "vi" ? "vi-VN" : "en-GB", {
    dateStyle: "long", timeStyle: "short", timeZone: data.timeZone,
  });
  const rows = [[data.texts.from, screenTitle()], [data.texts.model, data.model], [data.texts.window, data.window]];
  rows.push([data.texts.made, `${when.format(at)} (${data.timeZone})`], [data.texts.address, location.href]);
  return rows.filter(([, value]) => value);
}

function lookOf(main) {
  const app = getComputedStyle(document.querySelector(".stApp"));
  const style = getComputedStyle(main);
  const border = getComputedStyle(document.documentElement).getPropertyValue("--st-border-color").trim();
  return {
    isDark: (app.colorScheme || "").includes("dark"),
    ground: app.backgroundColor, ink: style.color, border: border || "rgba(128,128,128,.3)",
    font: style.fontFamily, fontSize: style.fontSize, lineHeight: style.lineHeight,
    width: Math.round(main.getBoundingClientRect().width),
  };
}

/** Pictures further down are loaded by the browser only when it gets there: ask for them now, and wait a little. */
async function picturesOf(root) {
  const pictures = [...everything(root)].filter((element) => element.localName === "img");
  pictures.forEach((picture) => (picture.loading = "eager"));
  const all = Promise.all(pictures.map((picture) => picture.decode().catch(() => null)));
  await Promise.race([all, new Promise((done) => setTimeout(done, WAIT_MS))]);
}

function* everything(root) {
  for (const element of root.querySelectorAll("*")) {
    yield element;
    if (element.shadowRoot) yield* everything(element.shadowRoot);
  }
}

// --- the elements ---------------------------------------------------------------------------------------------------

function written(node) {
  if (node.nodeType === Node.TEXT_NODE) return escapeHtml(node.data);
  if (node.nodeType !== Node.ELEMENT_NODE || node.matches(LEFT_OUT)) return "";
  const special = SPECIAL[node.localName];
  if (special && node.namespaceURI !== SVG) return special(node);
  const style = getComputedStyle(node);
  if (style.display === "none") return "";
  if (!node.childElementCount && style.fontFamily.includes("Material Symbols")) return icon(node, style);
  return element(node, node.localName);
}

const SPECIAL = {
  button(node) {
    const isOption = ["radio", "tab", "option", "checkbox", "switch"].includes(node.getAttribute("role"))
      || node.hasAttribute("aria-pressed");
    const states = ["aria-checked", "aria-selected", "aria-pressed"];
    const isChosen = states.some((name) => node.getAttribute(name) === "true");
    const fate = buttonFate({ isOption, isChosen, hasPicture: Boolean(node.querySelector("img, canvas, .picture")) });
    return fate === "drop" ? "" : element(node, fate === "say" ? "span" : "div");
  },
  input(node) {
    return inputFate(node.type) === "say" ? said(node.value) : "";
  },
  textarea: (node) => said(node.value),
  select: (node) => said(node.selectedOptions[0]?.textContent ?? ""),
  img(node) {
    const source = node.src.startsWith("data:image/") ? node.src : pictureData(node);
    return source ? image(node, source, node.alt) : `<span class="soi-saved-value">${escapeHtml(node.alt)}</span>`;
  },
  canvas(node) {
    const source = canvasData(node);
    const table = node.querySelector("table");
    const reader = table ? `<div class="soi-saved-reader">${[...node.childNodes].map(plain).join("")}</div>` : "";
    const label = node.closest("[aria-label]")?.getAttribute("aria-label") ?? "";
    return (source ? image(node, source, table ? "" : label) : "") + reader;
  },
  a(node) {
    const target = linkTarget(node.getAttribute("href") ?? "", location.href);
    return element(node, "a", target ? ` href="${escapeHtml(target)}" rel="noopener noreferrer"` : "");
  },
};

function element(node, name, more = "") {
  const isSvg = node.namespaceURI === SVG;
  const opening = `<${name}${attributes(node, isSvg)}${more}>`;
  if (VOID.has(name)) return opening;
  const shadow = node.shadowRoot ? shadowOf(node.shadowRoot) : "";
  return opening + shadow + [...node.childNodes].map(written).join("") + `</${name}>`;
}

/** A part with a scope of its own keeps it: browsers read this without any script. */
function shadowOf(root) {
  const css = styles(root, root);
  const inside = [...root.childNodes].map(written).join("");
  return `<template shadowrootmode="open"><style>${closedOff(css)}</style>${inside}</template>`;
}

function attributes(node, isSvg) {
  let text = "";
  for (const { name, value } of node.attributes) {
    if (!keepsAttribute(name, value, isSvg)) continue;
    text += ` ${name}="${escapeHtml(value.includes("url(") ? localUrls(value) : value)}"`;
  }
  return text;
}

/** The text of a table that is drawn on a canvas, for searching and for screen readers. */
function plain(node) {
  if (node.nodeType === Node.TEXT_NODE) return escapeHtml(node.data);
  const name = node.localName;
  if (!/^(table|thead|tbody|tr|th|td)$/.test(name ?? "")) return "";
  return `<${name}>${[...node.childNodes].map(plain).join("")}</${name}>`;
}

function said(value) {
  return value ? `<span class="soi-saved-value">${escapeHtml(value)}</span>` : "";
}

// --- pictures -------------------------------------------------------------------------------------------------------

function image(node, source, alt) {
  const own = attributes(node, false).replace(/ alt="[^"]*"/, "");
  return `<img${own} alt="${escapeHtml(alt)}" src="${escapeHtml(source)}">`;
}

function canvasData(canvas) {
  try {
    return canvas.width && canvas.height ? canvas.toDataURL("image/png") : null;
  } catch {
    return null; // drawn from another origin: its pixels are not ours
  }
}

function pictureData(picture) {
  if (!picture.complete || !picture.naturalWidth) return null;
  const scale = Math.min(1, MAX_SIDE / Math.max(picture.naturalWidth, picture.naturalHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(picture.naturalHeight * scale));
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  const exact = canvasData(canvas);
  if (!exact || exact.length <= EXACT_LIMIT) return exact;
  const small = canvas.toDataURL("image/webp", 0.9); // a browser without it answers with another PNG
  return small.startsWith("data:image/webp") ? small : canvas.toDataURL("image/jpeg", 0.9);
}

/** Icons are letters of a font that the file does not carry: each is drawn as a picture. */
function icon(node, style) {
  const size = parseFloat(style.fontSize) || 16;
  if (!node.textContent.trim()) return "";
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.ceil(size * 3);
  const pen = canvas.getContext("2d");
  pen.scale(3, 3);
  pen.font = `${style.fontWeight} ${size}px ${style.fontFamily}`;
  pen.fillStyle = style.color;
  pen.textBaseline = "middle";
  pen.textAlign = "center";
  pen.fillText(node.textContent.trim(), size / 2, size / 2);
  const box = `width:${size}px;height:${size}px;flex:none;vertical-align:middle`;
  return `<img alt="" style="${box}" src="${canvas.toDataURL("image/png")}">`;
}

// --- style sheets ---------------------------------------------------------------------------------------------------

/** The rules that something in the saved part uses, with nothing in them that would be loaded. */
function styles(holder, root) {
  const sheets = [...holder.styleSheets, ...holder.adoptedStyleSheets];
  return sheets.map((sheet) => rulesOf(sheet, root)).join("\n");
}

function rulesOf(group, root) {
  let rules;
  try {
    rules = [...group.cssRules];
  } catch {
    return "";
  }
  return rules.map((rule) => ruleText(rule, root)).filter(Boolean).join("\n");
}

function ruleText(rule, root) {
  if (rule instanceof CSSStyleRule) return isUsed(rule.selectorText, root) ? localUrls(rule.cssText) : "";
  if (rule instanceof CSSMediaRule) return grouped(`@media ${rule.conditionText}`, rule, root);
  if (rule instanceof CSSSupportsRule) return grouped(`@supports ${rule.conditionText}`, rule, root);
  if (rule instanceof CSSLayerBlockRule) return grouped(`@layer ${rule.name}`, rule, root);
  return ""; // fonts, imports and movements are not saved
}

function grouped(head, rule, root) {
  const inside = rulesOf(rule, root);
  return inside ? `${head} {\n${inside}\n}` : "";
}

function isUsed(selector, root) {
  if (/(^|,)\s*(:root|:host|html|body|\*)/.test(selector)) return true;
  const wanted = withoutPseudo(selector);
  if (!wanted) return false;
  try {
    return (root.matches?.(wanted) ?? false) || root.querySelector(wanted) !== null;
  } catch {
    return false;
  }
}

function download(html, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([html], { type: "text/html;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
