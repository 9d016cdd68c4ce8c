// The certificate as a document: what stands in it, and its one spelling. Reading one verifies nothing.

import { concat, decodeBase64, encodeUtf8, equalBytes, includesBytes, sha256Hex } from "./bytes.js";
import { pae } from "./envelope.js";
import { InputError } from "./errors.js";
import { canonicalText, parseJson } from "./json.js";
import {
  anyObject, expectShape, isObject, list, number128, object, oneOf, optional, orNull, sha256Text, signature64, text,
  time, words,
} from "./shapes.js";
import { wording } from "./wording.js";

const TYPE = "urn:ireu:certificate:v1";
const PAYLOAD_TYPE = "application/vnd.ireu.certificate+json";
const TIMESTAMPS_PAYLOAD_TYPE = "application/vnd.ireu.certificate-timestamps+json";
const NEWER_TYPE = /^urn:ireu:certificate:v([2-9]|[1-9][0-9]{1,8})$/;
const MARKER = encodeUtf8("urn:ireu:certificate:");
const MEMBERS = ['"does_not_claim"', '"key_file"', '"removal"', '"verification"'].map(encodeUtf8);
const MAX_TOKEN_BYTES = 64 * 1024;
const MAX_TOKENS = 32;

const logged = object({ envelope: anyObject, proof: text({ max: 1_000_000 }) });
const signature = object({ keyid: sha256Text, sig: signature64 });

const DOCUMENT = object({
  _type: oneOf(TYPE),
  certificate: object({
    id: number128,
    issued_at: time,
    issuer: object({ organisation: words, contact: orNull(words) }),
    origin: text({ min: 1, max: 200 }),
    request: logged,
    removal: logged,
    verification: logged,
    key_file: anyObject,
    says: list(text()),
    does_not_claim: list(text()),
    valid_until: optional(time),
    status_url: optional(text({ pattern: /^https?:\/\/[!-~]{1,500}$/ })),
    history: optional(list(logged, 1, 1000)),
    stamped: optional(oneOf(true)),
  }),
  signatures: list(signature, 1, 1),
  timestamps: optional(
    list(text({ max: Math.floor((4 * (MAX_TOKEN_BYTES + 2)) / 3), pattern: /^[A-Za-z0-9+/]+=*$/ }), 1, MAX_TOKENS),
  ),
  timestamps_signature: optional(signature),
});

/** Return whether bytes, however damaged, are meant as an ireu certificate. */
export function claimsToBeCertificate(data) {
  return includesBytes(data, MARKER) || MEMBERS.filter((name) => includesBytes(data, name)).length >= MEMBERS.length - 1;
}

/** Say so when a file is a certificate of a later format, about which nothing can be decided here. */
export function refuseNewerFormat(data) {
  let value;
  try {
    value = parseJson(data, { what: "certificate" });
  } catch (error) {
    if (error instanceof InputError) return;
    throw error;
  }
  if (isObject(value) && typeof value._type === "string" && NEWER_TYPE.test(value._type)) {
    const version = value._type.slice(value._type.lastIndexOf("v") + 1);
    throw new InputError(`The certificate is of format ${version}; this page knows format 1.`, {
      hint: "Ask the organisation for a newer version of this page, or use a newer version of ireu.",
      code: "input-too-new",
    });
  }
}

export class Certificate {
  /** Read a certificate file. */
  static fromBytes(data) {
    const value = parseJson(data, { what: "certificate" });
    if (isObject(value) && value._type !== TYPE) {
      throw new InputError("The certificate is of a format that this page does not know.", {
        hint: "Check that the file is unchanged.",
      });
    }
    expectShape(DOCUMENT, value, "certificate");
    if (!equalBytes(concat(canonicalText(value), "\n"), data)) {
      throw new InputError("The certificate was re-formatted or altered: its bytes are not in canonical form.", {
        hint: "Ask for the file again, and pass it on as an attachment rather than as text.",
      });
    }
    const made = new Certificate();
    made.document = value;
    made.body = value.certificate;
    made.expectWhole();
    return made;
  }

  expectWhole() {
    const { body, document } = this;
    const expected = wording({ history: "history" in body, stamped: "stamped" in body });
    if (canonicalText([body.says, body.does_not_claim]) !== canonicalText(expected)) {
      throw new InputError("The certificate's wording is not that of its format.");
    }
    if ("timestamps" in document !== "timestamps_signature" in document) {
      throw new InputError("The certificate's time stamps and the signature over them do not come together.");
    }
    if ("stamped" in body && !("timestamps" in document)) {
      throw new InputError("The certificate was issued with a time stamp, which is missing.", {
        hint: "Ask for the whole file again.",
      });
    }
    for (const each of document.timestamps ?? []) {
      if (decodeBase64(each, "certificate's time stamp").length > MAX_TOKEN_BYTES) {
        throw new InputError("The certificate has a time stamp that is too large.", { code: "input-too-large" });
      }
    }
  }

  /** Return the signatures with the bytes that they are over and what these are. */
  async signedParts() {
    const { body, document } = this;
    const parts = [
      [document.signatures[0], pae(PAYLOAD_TYPE, encodeUtf8(canonicalText(body))), "certificate is"],
    ];
    if ("timestamps" in document) {
      const unstamped = { _type: TYPE, certificate: body, signatures: document.signatures };
      const content = {
        certificate: await sha256Hex(`${canonicalText(unstamped)}\n`), timestamps: document.timestamps,
      };
      const message = pae(TIMESTAMPS_PAYLOAD_TYPE, encodeUtf8(canonicalText(content)));
      parts.push([document.timestamps_signature, message, "certificate's time stamps are"]);
    }
    return parts;
  }
}
