// JSON with exactly one spelling (RFC 8785), and a reader that forgives nothing.
//
// JSON.parse takes two members of one name, integers that a double cannot hold, and halves of characters. Whoever
// signs such a document could show it to two readers who see two different things, so it is refused here. The rules
// are those of docs/formats.md, "Rules for all JSON".

import { decodeUtf8 } from "./bytes.js";
import { InputError } from "./errors.js";

export const MAX_JSON_BYTES = 16 * 2 ** 20;
export const MAX_JSON_DEPTH = 32;

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const SPACE = /[ \t\n\r]*/y;
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

/**
 * Read JSON and refuse everything that two readers could understand differently.
 *
 * Objects come without a prototype, so that a member called "__proto__" is a member like any other.
 * `wholeNumbers` also refuses 1.0 and 1e3, for documents whose formats know integers only.
 */
export function parseJson(data, { what, maxBytes = MAX_JSON_BYTES, wholeNumbers = false }) {
  if (data.length > maxBytes) {
    throw new InputError(`The ${what} is larger than ${maxBytes} bytes.`, { code: "input-too-large" });
  }
  const text = decodeUtf8(data, what);
  if (text.startsWith("\ufeff")) throw new InputError(`The ${what} begins with a byte-order mark.`);
  return new Reader(text, what, wholeNumbers).readAll();
}

/** Return the one canonical spelling of a JSON value as text (RFC 8785). */
export function canonicalText(value) {
  // ECMAScript's own spelling of numbers and text is what the RFC prescribes, and its order is that of UTF-16 units.
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.keys(value).sort();
    return `{${members.map((name) => `${JSON.stringify(name)}:${canonicalText(value[name])}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

class Reader {
  constructor(text, what, wholeNumbers) {
    this.text = text;
    this.what = what;
    this.wholeNumbers = wholeNumbers;
    this.at = 0;
    this.depth = 0;
  }

  readAll() {
    this.skipSpace();
    const value = this.readValue();
    this.skipSpace();
    if (this.at < this.text.length) this.fail("something follows its end");
    return value;
  }

  fail(reason) {
    throw new InputError(`The ${this.what} is no valid JSON: ${reason} at character ${this.at}.`);
  }

  take(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found !== null) this.at = pattern.lastIndex;
    return found;
  }

  skipSpace() {
    this.take(SPACE);
  }

  readValue() {
    const first = this.text[this.at];
    if (first === "{") return this.nested(() => this.readObject());
    if (first === "[") return this.nested(() => this.readArray());
    if (first === '"') return this.readText();
    for (const [word, value] of [["true", true], ["false", false], ["null", null]]) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.readNumber();
  }

  nested(read) {
    this.depth += 1;
    if (this.depth > MAX_JSON_DEPTH) {
      throw new InputError(`The ${this.what} nests deeper than ${MAX_JSON_DEPTH} levels.`);
    }
    this.at += 1;
    const value = read();
    this.depth -= 1;
    return value;
  }

  readObject() {
    const members = Object.create(null);
    this.skipSpace();
    if (this.accept("}")) return members;
    for (;;) {
      this.skipSpace();
      if (this.text[this.at] !== '"') this.fail("a member has no name");
      const name = this.readText();
      if (name in members) this.fail("an object has two members of the same name");
      this.skipSpace();
      if (!this.accept(":")) this.fail("a colon is missing");
      this.skipSpace();
      members[name] = this.readValue();
      this.skipSpace();
      if (this.accept("}")) return members;
      if (!this.accept(",")) this.fail("a comma is missing");
    }
  }

  readArray() {
    const elements = [];
    this.skipSpace();
    if (this.accept("]")) return elements;
    for (;;) {
      this.skipSpace();
      elements.push(this.readValue());
      this.skipSpace();
      if (this.accept("]")) return elements;
      if (!this.accept(",")) this.fail("a comma is missing");
    }
  }

  accept(character) {
    const found = this.text[this.at] === character;
    if (found) this.at += 1;
    return found;
  }

  readText() {
    this.at += 1;
    let result = "";
    for (;;) {
      result += this.take(PLAIN)[0];
      const next = this.text[this.at];
      if (next === '"') break;
      if (next !== "\\") this.fail("text has no end or holds control characters");
      result += this.readEscape();
    }
    this.at += 1;
    if (!isWellFormed(result)) {
      throw new InputError(`The ${this.what} holds half of a character (a lone surrogate).`);
    }
    return result;
  }

  readEscape() {
    const kind = this.text[this.at + 1];
    if (kind === "u") {
      const digits = this.text.slice(this.at + 2, this.at + 6);
      if (!/^[0-9A-Fa-f]{4}$/.test(digits)) this.fail("an escape is malformed");
      this.at += 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    if (kind === undefined || !Object.hasOwn(ESCAPES, kind)) this.fail("an escape is malformed");
    this.at += 2;
    return ESCAPES[kind];
  }

  readNumber() {
    const found = this.take(NUMBER);
    if (found === null) this.fail("a value is missing");
    const [digits, fraction, exponent] = found;
    const value = Number(digits);
    if (fraction === undefined && exponent === undefined) {
      if (!Number.isSafeInteger(value)) this.fail("an integer is beyond 2^53 - 1");
    } else if (!Number.isFinite(value)) this.fail("a number is too large");
    else if (this.wholeNumbers) this.fail("a number is not spelt as an integer");
    return value;
  }
}

function isWellFormed(text) {
  return !/[\ud800-\udfff]/u.test(text); // with the flag, pairs are one character and only halves are left to match
}
