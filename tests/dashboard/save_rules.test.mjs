// What may go into a saved screen: addresses, attributes, selectors, buttons, the name of the file and its frame.
import assert from "node:assert/strict";
import test from "node:test";

import {
  buttonFate, closedOff, escapeHtml, fileName, inputFate, keepsAttribute, linkTarget, localUrls, wholePage, withoutPseudo,
} from "../../dashboard/kit/frontend/save_rules.js";

test("addresses in styles lead nowhere outside the file", () => {
  assert.equal(localUrls('clip-path: url("http://127.0.0.1:8300/health?x=1#clip9")'), 'clip-path: url("#clip9")');
  assert.equal(localUrls("fill: url(#g1)"), 'fill: url("#g1")');
  assert.equal(localUrls("background: url('/media/a.png')"), 'background: url("data:,")');
  assert.equal(localUrls("src: url( https://evil.example/x.woff2 )"), 'src: url("data:,")');
  const kept = 'background: url("data:image/png;base64,AAAA")';
  assert.equal(localUrls(kept), kept);
  assert.equal(localUrls("a: url(x.png); b: url(#y)"), 'a: url("data:,"); b: url("#y")');
});

test("attributes that run, load, submit or identify are not kept", () => {
  for (const name of ["onclick", "ONLOAD", "nonce", "src", "srcset", "href", "action", "formaction", "value", "name"]) {
    assert.equal(keepsAttribute(name, "x"), false, name);
  }
  for (const name of ["class", "style", "alt", "role", "aria-label", "colspan", "data-testid"]) {
    assert.equal(keepsAttribute(name, "x"), true, name);
  }
  assert.equal(keepsAttribute("data-token", "t".repeat(41)), false);
  assert.equal(keepsAttribute("viewBox", "0 0 1 1", true), true);
  assert.equal(keepsAttribute("href", "#clip", true), true);
  assert.equal(keepsAttribute("xlink:href", "data:image/png;base64,AA", true), true);
  assert.equal(keepsAttribute("href", "https://evil.example", true), false);
  assert.equal(keepsAttribute("href", "javascript:alert(1)", true), false);
  assert.equal(keepsAttribute("onbegin", "alert(1)", true), false);
});

test("selectors are looked for without states and pseudo-elements", () => {
  assert.equal(withoutPseudo(".a:hover > b::before"), ".a > b");
  assert.equal(withoutPseudo("::selection"), "");
  assert.equal(withoutPseudo(".a:not(.b):first-of-type"), ".a:not(.b):first-of-type");
  assert.equal(withoutPseudo("input::placeholder, .x:focus-visible"), "input, .x");
  assert.equal(withoutPseudo(".a > ::after"), "");
});

test("only chosen options and pictures survive of buttons, only plain values of inputs", () => {
  assert.equal(buttonFate({ isOption: true, isChosen: true, hasPicture: false }), "say");
  assert.equal(buttonFate({ isOption: true, isChosen: false, hasPicture: false }), "drop");
  assert.equal(buttonFate({ isOption: false, isChosen: false, hasPicture: true }), "show");
  assert.equal(buttonFate({ isOption: false, isChosen: false, hasPicture: false }), "drop");
  for (const type of ["password", "hidden", "file", "checkbox", "submit"]) assert.equal(inputFate(type), "drop", type);
  assert.equal(inputFate("text"), "say");
});

test("links are whole addresses of pages", () => {
  assert.equal(linkTarget("/health?model=a", "http://127.0.0.1:8300/x"), "http://127.0.0.1:8300/health?model=a");
  assert.equal(linkTarget("javascript:alert(1)", "http://127.0.0.1/"), null);
  assert.equal(linkTarget("data:text/html,x", "http://127.0.0.1/"), null);
});

test("the file's name is plain letters in every language", () => {
  const at = new Date("2026-03-20T10:05:00Z");
  assert.equal(fileName(["soi", "Sức khỏe", "Kiểm tra độ bền"], at), "soi-suc-khoe-kiem-tra-do-ben-2026-03-20-10-05.html");
  assert.equal(fileName(["soi", "../../etc/<x>", ""], at), "soi-etc-x-2026-03-20-10-05.html");
});

test("names cannot break out of the frame", () => {
  const hostile = '"><script>alert(1)</script>';
  const look = { isDark: false, ground: "#fff", ink: "#000", border: "#ccc", font: "a", fontSize: "14px", lineHeight: "1", width: 900 };
  const page = wholePage({ language: "vi", title: hostile, facts: [["a", hostile]], css: "x{}</style><script>", body: "", look });
  assert.equal(page.includes("<script>alert"), false);
  assert.equal((page.match(/<\/style>/g) ?? []).length, 2);
  assert.match(page, /default-src 'none'/);
  assert.equal(escapeHtml(`<&"'>`), "&lt;&amp;&quot;&#39;&gt;");
  assert.equal(closedOff("a</STYLE>b"), "a<\\/STYLE>b");
});
