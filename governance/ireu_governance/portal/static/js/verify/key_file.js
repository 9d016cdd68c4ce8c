// The key file: which keys a log has, what each may sign, and from when until when. Rules as in docs/formats.md,
// "Key file" and "The chain of versions".

import { decodeBase64, encodeUtf8, sha256Hex } from "./bytes.js";
import { PublicKey, countSigners } from "./ed25519.js";
import { pae } from "./envelope.js";
import { InputError, VerificationError, refuse } from "./errors.js";
import { canonicalText, parseJson } from "./json.js";
import { MlDsaPublicKey } from "./mldsa.js";
import {
  expectShape, integer, list, object, oneOf, optional, orNull, sha256Text, text, time, words,
} from "./shapes.js";

const TYPE = "urn:ireu:key-file:v1";
const PAYLOAD_TYPE = "application/vnd.ireu.key-file+json";
const MAX_BYTES = 256 * 1024;

const ENTRY = object({
  key_id: sha256Text,
  role: oneOf("root", "log", "record"),
  algorithm: oneOf("ed25519", "ml-dsa-44"),
  public_key: text({ max: 1752 }),
  valid_from: time,
  valid_from_size: optional(orNull(integer())),
  revoked_from_size: orNull(integer()),
});

const DOCUMENT = object({
  _type: oneOf(TYPE),
  signed: object({
    origin: text({ pattern: /^[^\p{White_Space}+\x00-\x1f\x7f]{1,200}$/u }),
    version: integer(1),
    threshold: integer(1),
    issued_at: time,
    organisation: words,
    keys: list(ENTRY, 1, 200),
  }),
  signatures: list(object({ keyid: sha256Text, sig: text({ max: 88 }) }), 1, 16),
});

async function readKey(entry) {
  let key;
  if (entry.algorithm === "ed25519") {
    if (entry.public_key.length > 44) {
      throw new InputError("The key file has an Ed25519 key that is too long to be one.");
    }
    key = await PublicKey.fromBase64(entry.public_key);
  } else if (entry.role === "log") key = await MlDsaPublicKey.fromBase64(entry.public_key);
  else {
    throw new InputError(`The key file has an ML-DSA key as ${entry.role} key; only a log may have one.`);
  }
  if (key.keyId !== entry.key_id) throw new InputError("The key file names a key by another key's id.");
  return key;
}

function countsAt(entry, size) {
  const revoked = entry.revoked_from_size;
  return (entry.valid_from_size ?? 0) <= size && (revoked === null || size < revoked);
}

async function requireRootSignatures(document, roots, threshold, whose = "its") {
  const pairs = document.signatures.map((each) => [each.keyid, decodeBase64(each.sig, "key file's signature")]);
  if (new Set(pairs.map(([keyId]) => keyId)).size !== pairs.length) {
    throw new InputError("The key file is signed twice by the same key.");
  }
  const message = pae(PAYLOAD_TYPE, encodeUtf8(canonicalText(document.signed)));
  const signers = await countSigners(pairs, message, new Map(roots.map((key) => [key.keyId, key])));
  if (signers < threshold) {
    refuse(`${signers} of ${whose} root keys have signed the key file; it needs ${threshold}.`);
  }
}

function sameEntry(before, after) {
  const names = ["key_id", "role", "algorithm", "public_key", "valid_from"];
  return (
    names.every((name) => before[name] === after[name]) &&
    (before.valid_from_size ?? null) === (after.valid_from_size ?? null)
  );
}

function expectSuccessor(older, newer) {
  if (newer.origin !== older.origin) refuse(`The newer key file is of the log ${newer.origin}, not of ${older.origin}.`);
  if (newer.organisation !== older.organisation) refuse("The newer key file names another organisation.");
  if (newer.version !== older.version + 1) {
    refuse(`After version ${older.version} of the key file comes ${older.version + 1}, not ${newer.version}.`, {
      hint: "Give all versions in between, in their order.",
    });
  }
  if (newer.issued_at < older.issued_at) refuse("The newer key file is dated before the older one.");
  const added = new Map(newer.keys.map((each) => [each.key_id, each]));
  for (const before of older.keys) {
    const after = added.get(before.key_id);
    const shown = `key ${before.key_id.slice(0, 16)}…`;
    added.delete(before.key_id);
    if (after === undefined) refuse(`The newer key file lacks ${shown}, so what it signed would count no more.`);
    if (!sameEntry(before, after)) refuse(`The newer key file gives ${shown} another role or other dates.`);
    const [was, now] = [before.revoked_from_size, after.revoked_from_size];
    if (was !== null && (now === null || now > was)) {
      refuse(`The newer key file takes back the revocation of ${shown}.`);
    }
  }
  for (const each of added.values()) {
    if (each.valid_from < older.issued_at) {
      refuse(`The newer key file dates its new key ${each.key_id.slice(0, 16)}… back.`);
    }
  }
}

export class KeyFile {
  /** Read a key file and verify its own signatures; whether it is the right one is for the reader to know. */
  static async fromBytes(data) {
    const document = parseJson(data, { what: "key file", maxBytes: MAX_BYTES, wholeNumbers: true });
    expectShape(DOCUMENT, document, "key file");
    for (const entry of document.signed.keys) {
      if (entry.valid_from_size === null) delete entry.valid_from_size; // absent, never null, in what is signed
    }
    const made = new KeyFile();
    made.document = document;
    made.byId = new Map();
    for (const entry of document.signed.keys) made.byId.set(entry.key_id, await readKey(entry));
    if (made.byId.size !== document.signed.keys.length) {
      throw new InputError("The key file lists a key twice; each key has exactly one role.");
    }
    try {
      await requireRootSignatures(document, made.activeRoots(), document.signed.threshold);
    } catch (error) {
      if (!(error instanceof VerificationError)) throw error;
      throw new InputError(`The key file is not signed by its own root keys: ${error.message}`);
    }
    made.digest = await sha256Hex(canonicalText(document));
    return made;
  }

  static fromObject(value) {
    return KeyFile.fromBytes(encodeUtf8(canonicalText(value)));
  }

  get origin() {
    return this.document.signed.origin;
  }

  get organisation() {
    return this.document.signed.organisation;
  }

  get version() {
    return this.document.signed.version;
  }

  entriesOf(role) {
    return this.document.signed.keys.filter((each) => each.role === role);
  }

  /** Return the Ed25519 keys of a role; with a size, only those that count there. */
  keys(role, size = null) {
    return this.entriesOf(role)
      .filter((each) => each.algorithm === "ed25519" && (size === null || countsAt(each, size)))
      .map((each) => this.byId.get(each.key_id));
  }

  secondKeys() {
    return this.entriesOf("log")
      .filter((each) => each.algorithm === "ml-dsa-44")
      .map((each) => this.byId.get(each.key_id));
  }

  isRevoked(keyId) {
    return this.document.signed.keys.find((each) => each.key_id === keyId).revoked_from_size !== null;
  }

  activeRoots() {
    return this.entriesOf("root")
      .filter((each) => each.algorithm === "ed25519" && each.revoked_from_size === null)
      .map((each) => this.byId.get(each.key_id));
  }

  /** Refuse a key where it does not count; keys that the file does not list are left to others. */
  expectValid(keyId, size, at = null) {
    const entry = this.document.signed.keys.find((each) => each.key_id === keyId);
    if (entry === undefined) return;
    const first = entry.valid_from_size ?? 0;
    if (entry.revoked_from_size !== null && entry.revoked_from_size <= size) {
      refuse(`It is signed by a key that counts no more from entry ${entry.revoked_from_size} on.`);
    }
    if (size < first) refuse(`It is signed by a key that counts only from entry ${first} on.`);
    if (at !== null && at < entry.valid_from) {
      refuse(`It is dated ${at}, before its key was added at ${entry.valid_from}.`);
    }
  }

  /** Refuse a key that counts neither at a size nor at any later one. */
  expectValidLater(keyId, size) {
    const entry = this.document.signed.keys.find((each) => each.key_id === keyId);
    if (entry === undefined) return;
    const first = entry.valid_from_size ?? 0;
    this.expectValid(keyId, first > size ? first : size);
  }

  /** Return whether another key file is an earlier version of this one. */
  async endorses(older) {
    if (older.origin !== this.origin || older.version >= this.version) return false;
    const roots = this.entriesOf("root")
      .filter((each) => each.algorithm === "ed25519" && each.valid_from <= older.document.signed.issued_at)
      .map((each) => this.byId.get(each.key_id));
    try {
      await requireRootSignatures(older.document, roots, older.document.signed.threshold);
    } catch (error) {
      if (error instanceof VerificationError) return false;
      throw error;
    }
    return true;
  }

  /** Refuse a key file that is not the next version of this one. */
  async expectNext(newer) {
    expectSuccessor(this.document.signed, newer.document.signed);
    await requireRootSignatures(
      newer.document, this.activeRoots(), this.document.signed.threshold, `version ${this.version}'s`,
    );
  }
}
