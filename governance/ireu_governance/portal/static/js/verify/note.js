// Signed notes, checkpoints and log proofs (C2SP), each in its one spelling.

import { concat, countCharacters, decodeBase64, encodeBase64, encodeUtf8, sha256, toHex } from "./bytes.js";
import { InputError, VerificationError, refuse } from "./errors.js";
import { HASH_SIZE } from "./merkle.js";
import { quoted } from "./words.js";

export const MAX_NOTE_BYTES = 256 * 1024;

const MAX_NOTE_SIGNATURES = 100;
const MAX_EXTENSIONS = 16;
const MAX_SIGNATURE_BYTES = 8192;
const MAX_PROOF_HASHES = 63;
const DASH = "\u2014 ";
const HEADER = "c2sp.org/tlog-proof@v1";
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;
const UNNAMEABLE = /[\p{White_Space}+\u0000-\u0020\u007f\ud800-\udfff]/u;
const DECIMAL = /^(?:0|[1-9][0-9]{0,18})$/;

/** The types of signatures under notes, by their identifier byte. */
export const KIND = { ED25519: 1, COSIGNATURE: 4, ML_DSA_44: 6 };

export function isKeyName(name) {
  return name !== "" && !UNNAMEABLE.test(name);
}

/** Read a number in the one spelling that C2SP formats allow, as BigInt. */
export function parseDecimal(text, what) {
  if (!DECIMAL.test(text) || BigInt(text) >= 2n ** 63n) throw new InputError(`The ${what} is no plain decimal number.`);
  return BigInt(text);
}

function readSignatureLine(line) {
  const parts = line.startsWith(DASH) ? line.slice(DASH.length).split(" ") : [];
  if (parts.length !== 2 || !isKeyName(parts[0])) {
    throw new InputError("The signed note has a line among its signatures that is none.");
  }
  const data = decodeBase64(parts[1], "signed note's signature");
  if (data.length <= 4 || data.length > 4 + MAX_SIGNATURE_BYTES) {
    throw new InputError("The signed note has a signature of no possible length.");
  }
  return { name: parts[0], keyHash: toHex(data.subarray(0, 4)), signature: data.slice(4) };
}

/** Return {text, signatures} of a signed note; nothing is verified yet. */
export function parseNote(text) {
  if (countCharacters(text) > MAX_NOTE_BYTES) {
    throw new InputError("The signed note is too large.", { code: "input-too-large" });
  }
  if (CONTROL.test(text)) throw new InputError("The signed note holds control characters.");
  const end = text.lastIndexOf("\n\n");
  if (end < 1 || !text.slice(end + 2).endsWith("\n")) {
    throw new InputError("The signed note is not text, an empty line, and signature lines.");
  }
  const lines = text.slice(end + 2, -1).split("\n");
  if (lines.length > MAX_NOTE_SIGNATURES) {
    throw new InputError(`The signed note has more than ${MAX_NOTE_SIGNATURES} signatures.`);
  }
  return { text: `${text.slice(0, end)}\n`, signatures: lines.map(readSignatureLine) };
}

/** Return the checkpoint that a note's text states. */
export function parseCheckpoint(text) {
  const lines = text.split("\n");
  if (lines.length < 4 || lines.at(-1) !== "") {
    throw new InputError("The checkpoint is not at least three lines, each with its end.");
  }
  const [origin, size, root, ...extensions] = lines.slice(0, -1);
  const made = {
    text,
    origin,
    size: parseDecimal(size, "checkpoint's size"),
    root: decodeBase64(root, "checkpoint's root"),
  };
  for (const line of [origin, ...extensions]) {
    if (line === "" || CONTROL.test(line)) {
      throw new InputError("The checkpoint has an empty line or control characters.");
    }
  }
  if (extensions.length > MAX_EXTENSIONS) {
    throw new InputError(`The checkpoint has more than ${MAX_EXTENSIONS} extension lines.`);
  }
  if (made.root.length !== HASH_SIZE) {
    throw new InputError(`The checkpoint's root is not ${HASH_SIZE} bytes long.`);
  }
  return made;
}

/** Return a key as notes name it: with its name, its type, and the four bytes that tell it from others. */
export async function namedKey(name, kind, key) {
  if (!isKeyName(name) || encodeUtf8(name).length > 255) {
    throw new InputError(
      "A key name is not empty, holds no white space, plus or control characters, and has at most 255 bytes.",
    );
  }
  const hash = await sha256(name, Uint8Array.of(10, kind), key.raw);
  return { name, kind, key, keyHash: toHex(hash.subarray(0, 4)) };
}

function bigEndian(value) {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setBigUint64(0, value);
  return data;
}

function vector(text) {
  const data = encodeUtf8(text);
  if (data.length < 1 || data.length > 255) {
    throw new InputError("A name in an ML-DSA-44 signature has 1 to 255 bytes.");
  }
  return concat(Uint8Array.of(data.length), data);
}

function signedMessage(kind, checkpoint, name, timestamp) {
  if (kind === KIND.ED25519) return encodeUtf8(checkpoint.text);
  if (kind === KIND.COSIGNATURE) return encodeUtf8(`cosignature/v1\ntime ${timestamp}\n${checkpoint.text}`);
  return concat(
    "subtree/v1\n\0", vector(name), bigEndian(timestamp), vector(checkpoint.origin),
    bigEndian(0n), bigEndian(checkpoint.size), checkpoint.root,
  );
}

async function verifyLine(named, signature, checkpoint) {
  let timestamp = 0n;
  let rest = signature;
  if (named.kind !== KIND.ED25519) {
    for (const byte of signature.subarray(0, 8)) timestamp = (timestamp << 8n) | BigInt(byte);
    rest = signature.slice(8);
    if (timestamp >= 2n ** 63n) refuse(`The signature of '${named.name}' has an impossible time.`);
  }
  try {
    await named.key.verify(rest, signedMessage(named.kind, checkpoint, named.name, timestamp));
  } catch (error) {
    if (error instanceof VerificationError) refuse(`'${named.name}' did not sign this: ${error.message}`);
    throw error;
  }
}

/** Verify all lines of known keys under a checkpoint, pass over all others, and return the keys that signed. */
export async function verifySignatures(note, checkpoint, named) {
  const known = new Map(named.map((each) => [`${each.name} ${each.keyHash}`, each]));
  const signed = new Set();
  for (const line of note.signatures) {
    const key = known.get(`${line.name} ${line.keyHash}`);
    if (key !== undefined) {
      await verifyLine(key, line.signature, checkpoint);
      signed.add(key);
    }
  }
  return signed;
}

/** Read a signed checkpoint and check the log's signatures on it; an Ed25519 key of the log must have signed. */
export async function openCheckpoint(text, origin, keys) {
  const note = parseNote(text);
  const checkpoint = parseCheckpoint(note.text);
  if (checkpoint.origin !== origin) {
    const shown = [...checkpoint.origin].slice(0, 200).join("");
    refuse(`The checkpoint is of the log ${quoted(shown)}, not of ${quoted(origin)}.`);
  }
  if (!isKeyName(origin)) {
    throw new InputError("The log's origin holds white space or a plus, so no signature line can name it.");
  }
  const named = [];
  for (const key of keys) {
    named.push(await namedKey(origin, key.algorithm === "ed25519" ? KIND.ED25519 : KIND.ML_DSA_44, key));
  }
  const signed = await verifySignatures(note, checkpoint, named);
  if (![...signed].some((each) => each.kind === KIND.ED25519)) {
    refuse("The checkpoint is signed by no key that this log has.");
  }
  return checkpoint;
}

/** Open a checkpoint with the log keys that were valid at its size. */
export async function verifiedCheckpoint(text, keyFile) {
  const keys = keyFile.keys("log");
  const checkpoint = await openCheckpoint(text, keyFile.origin, [...keys, ...keyFile.secondKeys()]);
  const valid = keyFile.keys("log", checkpoint.size);
  if (valid.length < keys.length) await openCheckpoint(text, keyFile.origin, valid);
  return checkpoint;
}

/** Read a log proof; `isPlain` says whether it is in the one form that ireu writes. */
export function parseProof(text) {
  if (countCharacters(text) > 2 * MAX_NOTE_BYTES) {
    throw new InputError("The proof is too large.", { code: "input-too-large" });
  }
  const end = text.indexOf("\n\n");
  const lines = (end < 0 ? text : text.slice(0, end)).split("\n");
  if (end < 0 || lines[0] !== HEADER) {
    throw new InputError("The text is no log proof of the kind c2sp.org/tlog-proof@v1.");
  }
  lines.shift();
  const hasExtra = lines[0]?.startsWith("extra ") ?? false;
  if (hasExtra) decodeBase64(lines.shift().slice(6), "proof's extra data");
  if (!lines[0]?.startsWith("index ")) throw new InputError("The proof does not say which entry it is about.");
  const index = parseDecimal(lines.shift().slice(6), "proof's index");
  if (lines.length > MAX_PROOF_HASHES) throw new InputError(`The proof has more than ${MAX_PROOF_HASHES} hashes.`);
  const hashes = lines.map((line) => decodeBase64(line, "proof's hash"));
  if (hashes.some((each) => each.length !== HASH_SIZE)) {
    throw new InputError(`The proof has a hash that is not ${HASH_SIZE} bytes long.`);
  }
  const checkpoint = text.slice(end + 2);
  parseCheckpoint(parseNote(checkpoint).text);
  const plain = [HEADER, `index ${index}`, ...hashes.map(encodeBase64)].join("\n");
  return { index, hashes, checkpoint, isPlain: !hasExtra && `${plain}\n\n${checkpoint}` === text };
}
