// Ed25519 keys and signatures. Keys are checked when they are read: under a key of small order, signatures verify
// that nobody made, and the browser does not refuse such keys by itself.

import { decodeBase64, fromHex, sha256Hex } from "./bytes.js";
import { InputError, refuse } from "./errors.js";

const SPKI_PREFIX = fromHex("302a300506032b6570032100");
const PRIME = 2n ** 255n - 19n;
const SMALL_ORDER_Y = [
  0n,
  1n,
  PRIME - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
];

const modulo = (value) => ((value % PRIME) + PRIME) % PRIME;

function power(base, exponent) {
  let result = 1n;
  let factor = modulo(base);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * factor) % PRIME;
    factor = (factor * factor) % PRIME;
  }
  return result;
}

const CURVE_D = modulo(-121665n * power(121666n, PRIME - 2n));

export class PublicKey {
  constructor(raw, keyId) {
    this.raw = raw;
    this.keyId = keyId;
    this.algorithm = "ed25519";
  }

  static async fromRaw(raw) {
    if (raw.length !== 32) throw new InputError(`An Ed25519 public key has 32 bytes, not ${raw.length}.`);
    let y = 0n;
    for (let at = 31; at >= 0; at -= 1) y = (y << 8n) | BigInt(at === 31 ? raw[at] & 0x7f : raw[at]);
    if (y >= PRIME) throw new InputError("The Ed25519 public key is not in canonical form.");
    if (SMALL_ORDER_Y.includes(y)) {
      throw new InputError("The Ed25519 public key has small order: anyone could sign for it.");
    }
    const [u, v] = [modulo(y * y - 1n), modulo(CURVE_D * y * y + 1n)];
    if (power(u * v, (PRIME - 1n) / 2n) !== 1n) {
      throw new InputError("The Ed25519 public key is no point of the curve.");
    }
    return new PublicKey(raw, await sha256Hex(SPKI_PREFIX, raw));
  }

  static fromBase64(text) {
    return PublicKey.fromRaw(decodeBase64(text, "public key"));
  }

  async verify(signature, message) {
    if (signature.length !== 64) refuse(`The signature has ${signature.length} bytes instead of 64.`);
    this.imported ??= crypto.subtle.importKey("raw", this.raw, { name: "Ed25519" }, false, ["verify"]);
    if (!(await crypto.subtle.verify({ name: "Ed25519" }, await this.imported, signature, message))) {
      refuse(`The signature of key ${this.keyId.slice(0, 16)}… does not fit what was signed.`);
    }
  }
}

/**
 * Return how many different known keys signed a message; signatures of unknown keys are passed over.
 *
 * `signatures` are pairs of key id and bytes, `keys` is a Map by key id. A known key's signature that does not verify
 * is refused, whatever else is there.
 */
export async function countSigners(signatures, message, keys) {
  const signers = new Set();
  for (const [keyId, signature] of signatures) {
    const key = keys.get(keyId);
    if (key !== undefined) {
      await key.verify(signature, message);
      signers.add(keyId);
    }
  }
  return signers.size;
}

/** Return whether this browser can verify Ed25519 at all; a page outside of https has no WebCrypto. */
export async function isSupported() {
  if (!globalThis.crypto?.subtle) return false;
  try {
    // RFC 8032, section 7.1, test 1: the empty message.
    const key = fromHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    const signature = fromHex(
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    );
    const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "Ed25519" }, imported, signature, new Uint8Array());
  } catch {
    return false;
  }
}
