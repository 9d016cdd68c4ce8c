// Certificates that are enclosed in a page of HTML or attached to a PDF, as ireu writes both. Only what is enclosed is
// looked at; the page around it is not compared with it.

import { decodeBase64 } from "./bytes.js";
import { InputError } from "./errors.js";

const MAX_BYTES = 16 * 2 ** 20;
const ENCLOSED =
  /<a id="enclosed-(certificate|page)" download="[a-z.]+" href="data:application\/json;base64,([A-Za-z0-9+/=]*)"/g;

// A PDF as ireu writes it, from its end to the attachment. A stream that is found in any other way need not be the one
// that a viewer, or the command line, takes for the attachment.
const START = /\nstartxref\n([0-9]{1,8})\n%%EOF\n?$/g;
const TABLE = /xref\n0 ([0-9]{1,6})\n/y;
const PLACE = /([0-9]{10}) 00000 n\r\n/y;
const TRAILER =
  /trailer\n<<\/Size [0-9]+\/Root ([0-9]+) 0 R\/Info [0-9]+ 0 R\/ID\[(?:\([\w+/=]*\)){2}\]>>\nstartxref\n[0-9]+\n%%EOF\n?$/y;
const CATALOG =
  /<<((?:[\w/ <>]|\([\w-]*\))*)\/Names<<\/EmbeddedFiles<<\/Names\[\(certificate\.json\)([0-9]+) 0 R\(page\.json\)[0-9]+ 0 R\]>>>>\/AF\[[0-9R ]*\]>>\nendobj\n/y;
const FILE =
  /<<\/Type\/Filespec\/F\(certificate\.json\)\/UF\(certificate\.json\)\/EF<<\/F ([0-9]+) 0 R\/UF \1 0 R>>\/AFRelationship\/Source\/Desc\([^()\\]*\)>>\nendobj\n/y;
const STREAM =
  /<<\/Length ([0-9]{1,8})\/Type\/EmbeddedFile\/Filter\/FlateDecode\/Subtype\/application#2Fjson\/Params<<[^<>]*>>>>\nstream\n/y;

function toLatin1(data) {
  let text = "";
  for (let at = 0; at < data.length; at += 0x8000) {
    text += String.fromCharCode(...data.subarray(at, at + 0x8000));
  }
  return text;
}

/** Return {kind, data}: the certificate that a file is or holds; `kind` is "json", "html" or "pdf". */
export async function takeOut(file) {
  const head = toLatin1(file.subarray(0, 64));
  const kind = head.startsWith("%PDF-") ? "pdf" : head.toLowerCase().startsWith("<!doctype html>") ? "html" : "json";
  if (kind === "json") return { kind, data: file };
  if (file.length > MAX_BYTES) {
    throw new InputError(`The ${kind.toUpperCase()} is too large for a certificate.`, { code: "input-too-large" });
  }
  return { kind, data: kind === "html" ? fromHtml(file) : await fromPdf(file) };
}

function fromHtml(file) {
  const text = toLatin1(file);
  const found = [...text.matchAll(ENCLOSED)];
  const isOnce = (name) => text.split(`id="enclosed-${name}"`).length === 2;
  if (found.length !== 2 || !isOnce("certificate") || !isOnce("page")) {
    throw new InputError("The page does not enclose exactly one certificate as ireu writes it.");
  }
  const contents = new Map(found.map(([, name, content]) => [name, decodeBase64(content, "page's enclosure")]));
  return contents.get("certificate");
}

async function fromPdf(file) {
  const text = toLatin1(file);
  const take = (pattern, at) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) throw unreadable();
    return [found.slice(1), pattern.lastIndex];
  };
  const [[start]] = take(START, 0);
  const [[size], places] = take(TABLE, Number(start));
  const [[root]] = take(TRAILER, places + 20 * Number(size));
  const open = (number, pattern) => {
    if (Number(number) >= Number(size)) throw unreadable();
    const [[offset]] = take(PLACE, places + 20 * Number(number));
    const head = `${number} 0 obj\n`;
    if (!text.startsWith(head, Number(offset))) throw unreadable();
    return take(pattern, Number(offset) + head.length);
  };
  const [[before, entry]] = open(root, CATALOG);
  if (before.includes("/Names")) throw unreadable();
  const [[content]] = open(entry, FILE);
  const [[length], from] = open(content, STREAM);
  const end = from + Number(length);
  if (!text.startsWith("\nendstream", end)) throw unreadable();
  return inflate(file.slice(from, end));
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
