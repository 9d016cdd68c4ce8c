// The checks of a certificate, each a method: later ones read what earlier ones verified. `verify.js` calls them in
// their order, and none whose ground did not hold. The reasons are those of the command line, word for word.

import { decodeBase64, sha256Hex, toHex } from "./bytes.js";
import { Certificate } from "./certificate.js";
import { countSigners } from "./ed25519.js";
import { Envelope, PAYLOAD_TYPE } from "./envelope.js";
import { InputError, VerificationError, refuse } from "./errors.js";
import { canonicalText } from "./json.js";
import { KeyFile } from "./key_file.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { parseCheckpoint, parseNote, parseProof, verifiedCheckpoint } from "./note.js";
import { secondsBetween } from "./shapes.js";
import { readStatement } from "./statement.js";
import { checkBinding, checkHistory, checkPlan, checkTime, checkVerdict, tellStory } from "./story.js";
import { count, escapeForeign, quoted, span } from "./words.js";

const FIRST_PREV = "0".repeat(64);
const CLOCK_TOLERANCE_S = 300;
const LATEST = "Fetch the latest status list of this log.";

const NEWER_KEYS =
  "Stamps may be newer than your key file: get the organisation's newest one and verify again.";

function notMade(reason, hint = "") {
  return { reason, decided: false, required: false, hint };
}

function undecided(reason, hint = "") {
  return { reason, decided: false, required: true, hint };
}

async function readEntry(name, logged) {
  const envelope = Envelope.fromObject(logged.envelope);
  const proof = parseProof(logged.proof);
  if (!proof.isPlain) throw new InputError(`The proof of the ${name} is not in the form that ireu writes.`);
  return { name, envelope, proof, leaf: await leafHash(envelope.bytes) };
}

export class CertificateChecks {
  /** `reader` is what the reader brings: {at, status, policy}, each of which may be null. */
  constructor(data, keyFile, reader) {
    this.data = data;
    this.keys = keyFile;
    this.reader = reader;
    this.status = null;
  }

  async form() {
    this.certificate = Certificate.fromBytes(this.data);
    this.body = this.certificate.body;
    const named = ["request", "removal", "verification"].map((name) => [name, this.body[name]]);
    (this.body.history ?? []).forEach((each, at) => named.push([`step ${at + 1} of the history`, each]));
    this.entries = [];
    for (const [name, logged] of named) this.entries.push(await readEntry(name, logged));
    // Only picks the keys to try; the checkpoint's own signature is verified before anything rests on it.
    this.claimedSize = parseCheckpoint(parseNote(this.entries[0].proof.checkpoint).text).size;
    return {
      reason: `The file is a certificate of format 1, number ${this.body.id}, issued at ${this.body.issued_at}.`,
    };
  }

  async keyFile() {
    const { body, keys } = this;
    if (body.issuer.organisation !== keys.organisation) {
      refuse("The certificate names another organisation than your key file.");
    }
    if ((await sha256Hex(canonicalText(body.key_file))) === keys.digest) {
      return { reason: `The certificate was made with your key file, version ${keys.version}.` };
    }
    const embedded = await KeyFile.fromObject(body.key_file);
    if (embedded.origin === keys.origin && embedded.version > keys.version) return this.takeNewer(embedded);
    if (!(await keys.endorses(embedded))) {
      refuse(
        `The certificate was made with another key file (version ${embedded.version} of ${embedded.origin}, SHA-256` +
          ` ${embedded.digest}) than yours (version ${keys.version} of ${keys.origin}, SHA-256 ${keys.digest}).`,
      );
    }
    return {
      reason:
        `The certificate was made with version ${embedded.version} of your key file, and is judged by yours, version` +
        ` ${keys.version}.`,
    };
  }

  async takeNewer(embedded) {
    const yours = this.keys;
    try {
      await yours.expectNext(embedded);
    } catch (error) {
      if (!(error instanceof VerificationError)) throw error;
      refuse(
        `The certificate was made with version ${embedded.version} of the key file, which yours, version` +
          ` ${yours.version}, does not vouch for: ${error.message} Get the key files since yours from the` +
          " organisation, and run: ireu keys update --trusted YOURS.json NEWER.json",
      );
    }
    this.keys = embedded;
    return {
      reason:
        `The certificate was made with version ${embedded.version} of the key file, which the root keys of yours,` +
        ` version ${yours.version}, signed; it is judged by the newer one.`,
    };
  }

  async certificateSignature() {
    const [signature] = this.certificate.document.signatures;
    const known = new Map(this.keys.keys("record").map((key) => [key.keyId, key]));
    this.keys.expectValid(signature.keyid, this.claimedSize, this.body.issued_at);
    const overStamps = this.certificate.document.timestamps_signature;
    // Stamps are added years later too, by the record key of then.
    if (overStamps !== undefined) this.keys.expectValidLater(overStamps.keyid, this.claimedSize);
    for (const [each, message, what] of await this.certificate.signedParts()) {
      const pair = [each.keyid, decodeBase64(each.sig, "certificate's signature")];
      if (!(await countSigners([pair], message, known))) {
        const hint = each === overStamps ? NEWER_KEYS : "";
        refuse(`The ${what} signed by no key that may sign certificates of this log.`, { hint });
      }
    }
    return { reason: `The certificate is signed by record key ${signature.keyid.slice(0, 16)}….` };
  }

  async recordSignature() {
    const keys = this.keys.keys("record");
    const statements = [];
    for (const { name, envelope, proof } of this.entries) {
      if (envelope.payloadType !== PAYLOAD_TYPE) refuse(`The ${name} is signed as something else than a statement.`);
      try {
        for (const keyId of envelope.keyIds) this.keys.expectValid(keyId, proof.index);
        const statement = readStatement(await envelope.verify(keys));
        for (const keyId of envelope.keyIds) {
          this.keys.expectValid(keyId, proof.index, statement.predicate.recorded_at);
        }
        statements.push(statement);
      } catch (error) {
        if (!(error instanceof InputError || error instanceof VerificationError)) throw error;
        refuse(`The ${name}: ${error.message}`);
      }
    }
    this.statements = statements;
    const steps = statements.length === 3 ? "" : ", and all steps of the history,";
    return {
      reason: `The request, the removal and the verification${steps} are signed by record keys of the log.`,
    };
  }

  async checkpointSignature() {
    const texts = new Set(this.entries.map((each) => each.proof.checkpoint));
    if (texts.size !== 1) refuse("The entries are proven against different checkpoints.");
    this.checkpoint = await verifiedCheckpoint([...texts][0], this.keys);
    const every = this.entries.length === 3 ? "all three" : `all ${this.entries.length}`;
    const { origin, size } = this.checkpoint;
    return { reason: `The log ${origin} signed one checkpoint for ${every}, of ${size} entries.` };
  }

  async inclusion() {
    const { size, root } = this.checkpoint;
    for (const { name, proof, leaf } of this.entries) {
      try {
        await verifyInclusion({ index: proof.index, size, leaf, proof: proof.hashes, root });
      } catch (error) {
        if (error instanceof VerificationError) refuse(`The ${name}: ${error.message}`);
        throw error;
      }
    }
    const numbers = this.entries.map((each) => String(each.proof.index));
    const text = `The log holds the request, removal and verification as entries ${numbers.slice(0, 3).join(", ")}`;
    const rest = numbers.slice(3);
    return { reason: text + (rest.length ? `, and the history: ${rest.join(", ")}.` : ".") };
  }

  async position() {
    if (this.body.origin !== this.keys.origin) refuse("The certificate names another log than your key file.");
    const placed = this.entries.map((entry, at) => ({ entry, place: this.statements[at].predicate.ledger }));
    for (const { entry, place } of placed) {
      if (place.origin !== this.keys.origin) refuse(`The ${entry.name} was recorded for another log.`);
      if (BigInt(place.seq) !== entry.proof.index) {
        refuse(`The ${entry.name} was signed as entry ${place.seq}, not ${entry.proof.index}.`);
      }
      if ((place.seq === 0) !== (place.prev === FIRST_PREV)) {
        refuse(`The ${entry.name} is chained to no possible entry before it.`);
      }
    }
    const numbers = placed.map(({ place }) => place.seq);
    if (!(numbers[0] < numbers[1] && numbers[1] < numbers[2])) {
      refuse("The request, the removal and the verification are not in this order in the log.");
    }
    if (numbers.slice(4).some((each, at) => each <= numbers[at + 3])) {
      refuse("The steps of the history are not in the order of the log.");
    }
    const ordered = [...placed].sort((one, other) => one.place.seq - other.place.seq);
    for (const [at, { entry, place }] of ordered.slice(0, -1).entries()) {
      const after = ordered[at + 1].place;
      if (after.seq === place.seq) refuse(`The ${entry.name} stands in the certificate twice.`);
      if (after.seq === place.seq + 1 && after.prev !== toHex(entry.leaf)) {
        refuse(`The entry after the ${entry.name} is chained to something else.`);
      }
    }
    this.story = tellStory(...this.statements.slice(0, 3));
    return { reason: "Each entry was signed for this log and for the number that it has there." };
  }

  subjectBinding() {
    return checkBinding(this.story);
  }

  plan() {
    return checkPlan(this.story);
  }

  verdict() {
    return checkVerdict(this.story);
  }

  encoderDigest() {
    return notMade("No encoder was given to compare with.");
  }

  time() {
    return checkTime(this.story, this.body.issued_at);
  }

  history() {
    const events = this.statements.slice(3).map((each) => each.predicate);
    if (!events.length) return notMade("The certificate lists no steps of the request.");
    return checkHistory(this.story, events, this.body.issued_at);
  }

  validity() {
    const { at } = this.reader;
    const { issued_at: issuedAt, valid_until: validUntil } = this.body;
    if (at !== null && validUntil !== undefined && at > validUntil) this.status = "expired";
    if (at !== null && secondsBetween(at, issuedAt) > CLOCK_TOLERANCE_S) {
      refuse(`At ${at} the certificate was not issued yet; it is dated ${issuedAt}.`);
    }
    if (validUntil === undefined) return { reason: "The certificate names no end of its validity." };
    if (validUntil < issuedAt) {
      refuse(`The certificate ends (${validUntil}) before it was issued (${issuedAt}).`);
    }
    if (at === null) {
      return notMade(`The certificate is valid until ${validUntil}; no time was given to compare with.`);
    }
    if (at > validUntil) refuse(`The certificate expired at ${validUntil}; ask for one with a newer test.`);
    return { reason: `The certificate is valid at ${at}, until ${validUntil}.` };
  }

  async witness() {
    const { policy } = this.reader;
    if (policy === null) {
      return notMade(
        "No policy was given that says which witnesses must have seen the log.", "Give one with: --policy FILE",
      );
    }
    const names = await policy.require(this.entries[0].proof.checkpoint);
    if (!names.length) return { reason: "Your policy asks for no witness, and none that it knows has cosigned." };
    const shown = names.slice(0, 5).map(escapeForeign).join(", ") + (names.length > 5 ? ", …" : "");
    const seen = names.length === 1 ? "1 witness" : `${names.length} witnesses`;
    return { reason: `The checkpoint is cosigned as your policy asks, by ${seen}: ${shown}.` };
  }

  trustedTime() {
    const stamps = this.certificate.document.timestamps ?? [];
    if (!stamps.length) return notMade("The certificate carries no time stamp.");
    return notMade(
      `The certificate carries ${count(stamps.length, "time stamp")}; no root certificates were given to check with.`,
      "Give them with: --tsa-roots FILE",
    );
  }

  async revocation() {
    const { status, at } = this.reader;
    if (status === null) {
      const url = this.body.status_url;
      const where = url === undefined ? "" : `; the certificate says that one is at ${url}`;
      return notMade(`No status list was given${where}.`, "Fetch the log's list and give it with: --status FILE");
    }
    let checkpoint;
    try {
      checkpoint = await status.verify(this.keys);
    } catch (error) {
      if (!(error instanceof InputError || error instanceof VerificationError)) throw error;
      return undecided(
        `The status list cannot be used: ${error.message}`, "Get the list of this log again.",
      );
    }
    const { issued_at: listedAt, next_update: nextUpdate } = status.content;
    const entry = status.find(this.body.id, at ?? listedAt);
    if (entry !== null) {
      this.status = entry.status;
      refuse(describeStatus(entry));
    }
    const shown = `The status list of ${listedAt}, for the first ${checkpoint.size} entries of the log,`;
    if (checkpoint.size < this.checkpoint.size || listedAt < this.body.issued_at) {
      return undecided(`${shown} is older than the certificate, so it cannot know of it.`, LATEST);
    }
    if (at === null) return undecided(`${shown} ends at ${nextUpdate}; no time was given to compare with.`);
    if (at > nextUpdate) return undecided(`${shown} was meant for use until ${nextUpdate} only.`, LATEST);
    const age = secondsBetween(listedAt, at);
    const old = age >= 0 ? `${span(age)} before ${at}` : `${span(-age)} after ${at}`;
    return { reason: `${shown} made ${old}, names the certificate neither as revoked nor as superseded.` };
  }
}

function describeStatus(entry) {
  const text =
    `The certificate was ${entry.status} at ${entry.since} (entry ${entry.seq} of the log, reason` +
    ` ${quoted(entry.reason)})`;
  return entry.replaced_by === null ? `${text}.` : `${text}; ask for certificate ${entry.replaced_by} in its place.`;
}
