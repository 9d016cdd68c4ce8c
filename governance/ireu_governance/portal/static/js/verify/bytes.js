// Bytes and text, each in exactly one spelling.

import { InputError } from "./errors.js";

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const encoder = new TextEncoder();

export function encodeUtf8(text) {
  return encoder.encode(text);
}

/** Return the text of UTF-8 bytes; a byte-order mark stays in it, so that the caller can refuse it. */
export function decodeUtf8(data, what) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new InputError(`The ${what} is not UTF-8 text.`);
  }
}

export function concat(...parts) {
  const all = parts.map((part) => (typeof part === "string" ? encodeUtf8(part) : part));
  const result = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of all) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

export function equalBytes(one, other) {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

export function includesBytes(data, needle) {
  const first = needle[0];
  for (let at = data.indexOf(first); at >= 0; at = data.indexOf(first, at + 1)) {
    if (needle.every((byte, offset) => data[at + offset] === byte)) return true;
  }
  return false;
}

export function toHex(data) {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(text) {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function encodeBase64(data) {
  let text = "";
  for (let at = 0; at < data.length; at += 0x8000) {
    text += String.fromCharCode(...data.subarray(at, at + 0x8000));
  }
  return btoa(text);
}

/** Decode base64 that is spelt in its one canonical way: standard alphabet, padded, unused bits zero. */
export function decodeBase64(text, what) {
  if (!BASE64.test(text) || text.length % 4) throw new InputError(`The ${what} is not base64.`);
  let binary;
  try {
    binary = atob(text);
  } catch {
    throw new InputError(`The ${what} is not base64.`);
  }
  const data = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) data[at] = binary.charCodeAt(at);
  if (text !== encodeBase64(data)) throw new InputError(`The ${what} is not base64 in its canonical spelling.`);
  return data;
}

/** Return SHA-256 of some parts one after the other; text counts as UTF-8. */
export async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts)));
}

export async function sha256Hex(...parts) {
  return toHex(await sha256(...parts));
}

/** Return how many characters text has: code points, as the format counts them, not UTF-16 units. */
export function countCharacters(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
