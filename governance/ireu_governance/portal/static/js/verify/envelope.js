// DSSE envelopes: bytes, what they are, and who signed them.

import { concat, decodeBase64, encodeUtf8 } from "./bytes.js";
import { countSigners } from "./ed25519.js";
import { InputError, refuse } from "./errors.js";
import { canonicalText } from "./json.js";
import { isObject } from "./shapes.js";

export const PAYLOAD_TYPE = "application/vnd.in-toto+json";

const NAME = /^[A-Za-z0-9._:;/@+=-]{1,200}$/;
const MAX_SIGNATURES = 16;
const MAX_SIGNATURE_BYTES = 8192;

/** Return the bytes that are signed: DSSE's pre-authentication encoding. */
export function pae(payloadType, payload) {
  const kind = encodeUtf8(payloadType);
  return concat(`DSSEv1 ${kind.length} `, kind, ` ${payload.length} `, payload);
}

function hasExactly(value, ...names) {
  return isObject(value) && Object.keys(value).length === names.length && names.every((name) => name in value);
}

function expectText(value, what) {
  if (typeof value !== "string") throw new InputError(`The ${what} is not text.`);
  return value;
}

function readSignature(value) {
  if (!hasExactly(value, "keyid", "sig")) {
    throw new InputError("A signature of the envelope is not an object of keyid and sig.");
  }
  const keyId = expectText(value.keyid, "envelope's key id");
  const signature = decodeBase64(expectText(value.sig, "envelope's signature"), "envelope's signature");
  if (!NAME.test(keyId)) throw new InputError("The envelope names a signing key by something that is no key id.");
  if (signature.length < 1 || signature.length > MAX_SIGNATURE_BYTES) {
    throw new InputError("The envelope has a signature of no possible length.");
  }
  return [keyId, signature];
}

export class Envelope {
  /** Read an envelope from parsed JSON; nothing is verified yet. */
  static fromObject(value) {
    if (!hasExactly(value, "payload", "payloadType", "signatures")) {
      throw new InputError("The envelope is not an object of payload, payloadType and signatures.");
    }
    const { signatures } = value;
    if (!Array.isArray(signatures) || signatures.length > MAX_SIGNATURES) {
      throw new InputError(`The envelope's signatures are no list of at most ${MAX_SIGNATURES}.`);
    }
    const made = new Envelope();
    made.payload = decodeBase64(expectText(value.payload, "envelope's payload"), "envelope's payload");
    made.payloadType = expectText(value.payloadType, "envelope's payload type");
    made.signatures = signatures.map(readSignature);
    if (!NAME.test(made.payloadType)) throw new InputError("The envelope's payload type is malformed.");
    if (made.signatures.length < 1) {
      throw new InputError(`An envelope has 1 to ${MAX_SIGNATURES} signatures, not 0.`);
    }
    if (new Set(made.keyIds).size !== made.signatures.length) {
      throw new InputError("The envelope has two signatures of the same key.");
    }
    made.bytes = encodeUtf8(canonicalText(value));
    return made;
  }

  get keyIds() {
    return this.signatures.map(([keyId]) => keyId);
  }

  /** Check the signatures and return the payload that they cover. */
  async verify(keys) {
    const byId = new Map(keys.map((key) => [key.keyId, key]));
    const signers = await countSigners(this.signatures, pae(this.payloadType, this.payload), byId);
    if (signers < 1) refuse(`${signers} of the keys that may sign this have signed it; it needs 1.`);
    return this.payload;
  }
}
