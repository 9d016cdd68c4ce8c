// The status list: which certificates of a log count no more. The reader looks into it alone, so nobody learns which
// certificate is being verified.

import { concat, decodeBase64, encodeUtf8, equalBytes } from "./bytes.js";
import { countSigners } from "./ed25519.js";
import { pae } from "./envelope.js";
import { InputError, refuse } from "./errors.js";
import { canonicalText, parseJson } from "./json.js";
import { MAX_NOTE_BYTES, parseCheckpoint, parseNote, verifiedCheckpoint } from "./note.js";
import {
  expectShape, integer, isObject, list, number128, object, oneOf, orNull, sha256Text, signature64, text, time, token,
} from "./shapes.js";
import { quoted } from "./words.js";

const TYPE = "urn:ireu:status-list:v1";
const PAYLOAD_TYPE = "application/vnd.ireu.status-list+json";

const DOCUMENT = object({
  _type: oneOf(TYPE),
  status_list: object({
    origin: text({ min: 1, max: 200 }),
    checkpoint: text({ max: MAX_NOTE_BYTES }),
    issued_at: time,
    next_update: time,
    entries: list(
      object({
        id: number128,
        status: oneOf("revoked", "superseded"),
        since: time,
        reason: token,
        replaced_by: orNull(number128),
        seq: integer(),
      }),
      0,
      50_000,
    ),
  }),
  signatures: list(object({ keyid: sha256Text, sig: signature64 }), 1, 1),
});

export class StatusList {
  /** Read a status list; nothing is verified yet. */
  static fromBytes(data) {
    const value = parseJson(data, { what: "status list" });
    if (!isObject(value) || value._type !== TYPE) {
      throw new InputError("This is no ireu status list of format 1.", {
        hint: "Get the list from the organisation; a newer format needs a newer version of ireu.",
      });
    }
    expectShape(DOCUMENT, value, "status list");
    if (!equalBytes(concat(canonicalText(value), "\n"), data)) {
      throw new InputError(
        "The status list was re-formatted or altered: its bytes are not in canonical form.",
        { hint: "Fetch the file again, unchanged." },
      );
    }
    const made = new StatusList();
    made.content = value.status_list;
    [made.signature] = value.signatures;
    const { size } = parseCheckpoint(parseNote(made.content.checkpoint).text);
    let previous = -1;
    for (const entry of made.content.entries) {
      if (entry.seq <= previous || entry.seq >= size) {
        throw new InputError("The status list's entries are not in the order of its log.");
      }
      previous = entry.seq;
    }
    if (made.content.next_update <= made.content.issued_at) {
      throw new InputError("The status list ends before it begins.");
    }
    return made;
  }

  /** Check that the list and its checkpoint are the log's own, and return the checkpoint. */
  async verify(keyFile) {
    const { content, signature } = this;
    if (content.origin !== keyFile.origin) {
      refuse(`The status list is of the log ${quoted(content.origin)}, not of ${quoted(keyFile.origin)}.`);
    }
    const checkpoint = await verifiedCheckpoint(content.checkpoint, keyFile);
    const keys = new Map(keyFile.keys("record", checkpoint.size).map((key) => [key.keyId, key]));
    // A thief of a key that was revoked could put a new date on a list of an old checkpoint.
    if (keys.has(signature.keyid) && keyFile.isRevoked(signature.keyid)) {
      refuse(
        `The status list is signed by the record key ${signature.keyid.slice(0, 16)}…, which was revoked since.`,
      );
    }
    const pair = [signature.keyid, decodeBase64(signature.sig, "status list's signature")];
    const message = pae(PAYLOAD_TYPE, encodeUtf8(canonicalText(content)));
    if (!(await countSigners([pair], message, keys))) {
      refuse("The status list is signed by no record key of this log.");
    }
    return checkpoint;
  }

  /** Return by which entry a certificate counts no more at a time: a revocation first, then the earliest. */
  find(id, at) {
    const found = this.content.entries.filter(
      (each) => each.id === id && (each.since <= at || each.reason === "issued-in-error"),
    );
    return found.find((each) => each.status === "revoked") ?? found[0] ?? null;
  }
}
