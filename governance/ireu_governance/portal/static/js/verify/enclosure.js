// Certificates that are enclosed in a page of HTML or attached to a PDF, as ireu writes both. Only what is enclosed is
// looked at; the page around it is not compared with it.

import { decodeBase64, encodeUtf8, includesBytes } from "./bytes.js";
import { InputError } from "./errors.js";

const MAX_BYTES = 16 * 2 ** 20;
const NOTE_HEAD = encodeUtf8('{"_type":"urn:ireu:page:');
const ENCLOSED =
  /<a id="enclosed-(certificate|page)" download="[a-z.]+" href="data:application\/json;base64,([A-Za-z0-9+/=]*)"/g;
const ATTACHED = /<<([^<>]*\/Type ?\/EmbeddedFile(?![A-Za-z])[^<>]*(?:<<[^<>]*>>[^<>]*)?)>>\s*stream\r?\n/g;

function toLatin1(data) {
  let text = "";
  for (let at = 0; at < data.length; at += 0x8000) {
    text += String.fromCharCode(...data.subarray(at, at + 0x8000));
  }
  return text;
}

/** Return {kind, data}: the certificate that a file is or holds; `kind` is "json", "html" or "pdf". */
export async function takeOut(file) {
  const head = toLatin1(file.subarray(0, 64)).toLowerCase();
  const kind = head.startsWith("%pdf-") ? "pdf" : head.startsWith("<!doctype html>") ? "html" : "json";
  if (kind === "json") return { kind, data: file };
  if (file.length > MAX_BYTES) {
    throw new InputError(`The ${kind.toUpperCase()} is too large for a certificate.`, { code: "input-too-large" });
  }
  return { kind, data: kind === "html" ? fromHtml(file) : await fromPdf(file) };
}

function fromHtml(file) {
  const text = toLatin1(file);
  const found = [...text.matchAll(ENCLOSED)].filter((each) => each[1] === "certificate");
  if (found.length !== 1 || text.split('id="enclosed-certificate"').length !== 2) {
    throw new InputError("The page does not enclose exactly one certificate as ireu writes it.");
  }
  return decodeBase64(found[0][2], "page's enclosure");
}

async function fromPdf(file) {
  const text = toLatin1(file);
  if (/\/Encrypt\b/.test(text)) {
    throw new InputError("The PDF is encrypted.", { hint: "Ask for the certificate as the file that ireu wrote." });
  }
  const contents = [];
  for (const each of text.matchAll(ATTACHED)) {
    const length = Number(/\/Length ([0-9]+)(?! [0-9]+ R)/.exec(each[1])?.[1] ?? Number.NaN);
    const start = each.index + each[0].length;
    if (!Number.isSafeInteger(length) || start + length > file.length || contents.length >= 20) throw unreadable();
    const stream = file.slice(start, start + length);
    contents.push(/\/Filter ?\/FlateDecode/.test(each[1]) ? await inflate(stream) : stream);
  }
  const notes = contents.filter((each) => NOTE_HEAD.every((byte, at) => each[at] === byte));
  const others = contents.filter((each) => !notes.includes(each));
  if (others.length !== 1 || !includesBytes(others[0], encodeUtf8("{"))) throw unreadable();
  return others[0];
}

function unreadable() {
  return new InputError("No certificate can be taken out of this PDF here.", {
    hint: "Save the attachment certificate.json with a PDF reader and choose that, or run: ireu certificate verify FILE",
  });
}

async function inflate(data) {
  const chunks = [];
  let size = 0;
  try {
    const reader = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      size += value.length;
      if (size > MAX_BYTES) throw unreadable();
    }
  } catch {
    throw unreadable();
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
