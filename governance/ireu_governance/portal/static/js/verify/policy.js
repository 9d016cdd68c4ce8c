// Policies: which logs and witnesses count, and how many witnesses must have cosigned a checkpoint (C2SP tlog-policy).

import { countCharacters, decodeBase64, encodeBase64, toHex } from "./bytes.js";
import { PublicKey } from "./ed25519.js";
import { InputError, refuse } from "./errors.js";
import { MlDsaPublicKey } from "./mldsa.js";
import { KIND, namedKey, parseCheckpoint, parseDecimal, parseNote, verifySignatures } from "./note.js";
import { escapeForeign, quoted } from "./words.js";

const MAX_BYTES = 512 * 1024;
const MAX_LINES_OF_A_KIND = 100;
const LOG_KINDS = [KIND.ED25519, KIND.ML_DSA_44];
const WITNESS_KINDS = [KIND.COSIGNATURE, KIND.ML_DSA_44];
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/;

const shown = (name) => quoted([...name].slice(0, 100).join(""));
const escaped = (name) => escapeForeign([...name].slice(0, 100).join(""));

/** Return the text of any bytes: one that belongs to no character becomes half of one, so that names stay apart. */
function decodeBytes(data) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const decode = (...range) => {
    try {
      return decoder.decode(data.subarray(...range));
    } catch {
      return null;
    }
  };
  const whole = decode();
  if (whole !== null) return whole;
  let text = "";
  for (let at = 0; at < data.length; ) {
    const size = data[at] < 0x80 ? 1 : [2, 3, 4].find((each) => decode(at, at + each) !== null);
    text += size === undefined ? String.fromCharCode(0xdc00 + data[at]) : decode(at, at + size);
    at += size ?? 1;
  }
  return text;
}

async function readVerifierKey(text) {
  const [name, hash, ...rest] = text.split("+");
  if (!rest.length || !/^[0-9a-f]{8}$/.test(hash)) {
    throw new InputError("The text is no verifier key of the form name+hash+key.");
  }
  const typed = decodeBase64(rest.join("+"), "verifier key");
  const kind = typed[0];
  if (!Object.values(KIND).includes(kind)) {
    throw new InputError("The verifier key is of a type that ireu does not know (it knows 1, 4 and 6).");
  }
  const raw = typed.slice(1);
  const key =
    kind === KIND.ML_DSA_44 ? await MlDsaPublicKey.fromBase64(encodeBase64(raw)) : await PublicKey.fromRaw(raw);
  const made = await namedKey(name, kind, key);
  if (made.keyHash !== hash) throw new InputError("The verifier key's hash belongs to another key or name.");
  return made;
}

export class Policy {
  constructor() {
    this.logs = [];
    this.witnesses = new Map();
    this.groups = new Map();
    this.quorum = null;
    this.grouped = new Set();
  }

  /** Read a policy file; what stands on a line is used only below it. */
  static async fromBytes(data) {
    if (data.length > MAX_BYTES) throw new InputError("The policy is too large.", { code: "input-too-large" });
    const text = decodeBytes(data);
    if (countCharacters(text) > MAX_BYTES) throw new InputError("The policy is too large.");
    if (CONTROL.test(text)) throw new InputError("The policy holds control characters.");
    if (!text.endsWith("\n")) {
      throw new InputError("The policy's last line has no end: the file may be cut off.");
    }
    const made = new Policy();
    for (const [at, line] of text.slice(0, -1).split("\n").entries()) {
      const words = line.replace(/^[ \t]+|[ \t]+$/g, "").split(/[ \t]+/);
      if (words[0] === "" || words[0].startsWith("#")) continue;
      try {
        await made.read(words);
      } catch (error) {
        if (error instanceof InputError) error.message = `Line ${at + 1} of the policy: ${error.message}`;
        throw error;
      }
    }
    if (made.quorum === null) {
      throw new InputError("The policy has no quorum line.", { hint: "Write 'quorum none' to ask for no witness." });
    }
    made.expectKeys();
    return made;
  }

  async read([kind, ...rest]) {
    if (kind === "log" && rest.length >= 1 && rest.length <= 2) this.logs.push(await readVerifierKey(rest[0]));
    else if (kind === "witness" && rest.length >= 2 && rest.length <= 3) {
      this.expectNew(rest[0]);
      this.witnesses.set(rest[0], await readVerifierKey(rest[1]));
    } else if (kind === "group" && rest.length >= 3) this.readGroup(rest[0], rest[1], rest.slice(2));
    else if (kind === "quorum" && rest.length === 1) {
      if (this.quorum !== null) throw new InputError("a policy has exactly one quorum line.");
      if (rest[0] !== "none") this.expectDefined(rest[0]);
      [this.quorum] = rest;
    } else {
      throw new InputError(
        "it is none of: log KEY [URL], witness NAME KEY [URL], group NAME K NAME…, quorum NAME.",
      );
    }
    if ([this.logs.length, this.witnesses.size, this.groups.size].some((size) => size > MAX_LINES_OF_A_KIND)) {
      throw new InputError(`there are more than ${MAX_LINES_OF_A_KIND} lines of this kind.`);
    }
  }

  readGroup(name, threshold, members) {
    for (const member of members) {
      this.expectDefined(member);
      if (this.grouped.has(member)) {
        throw new InputError(`The policy has ${shown(member)} in two groups, or in one twice.`);
      }
      this.grouped.add(member);
    }
    const counts = { all: BigInt(members.length), any: 1n };
    const needed = Object.hasOwn(counts, threshold) ? counts[threshold] : parseDecimal(threshold, "group's threshold");
    if (needed < 1n || needed > BigInt(members.length)) {
      throw new InputError(`The policy's group ${shown(name)} asks for ${needed} of ${members.length} members.`);
    }
    this.expectNew(name);
    this.groups.set(name, { threshold: Number(needed), members });
  }

  expectNew(name) {
    if (name === "none") throw new InputError(`${shown(name)} cannot name a witness or a group.`);
    if (this.witnesses.has(name) || this.groups.has(name)) {
      throw new InputError(`the name ${shown(name)} is defined twice.`);
    }
  }

  expectDefined(name) {
    if (!this.witnesses.has(name) && !this.groups.has(name)) {
      throw new InputError(`${shown(name)} is not defined on a line before.`);
    }
  }

  expectKeys() {
    const witnesses = [...this.witnesses.values()];
    if (this.logs.some((each) => !LOG_KINDS.includes(each.kind))) {
      throw new InputError("A log's key is of type 1 (Ed25519) or 6 (ML-DSA-44).");
    }
    if (witnesses.some((each) => !WITNESS_KINDS.includes(each.kind))) {
      throw new InputError("A witness's key is of type 4 (Ed25519) or 6 (ML-DSA-44).");
    }
    const all = new Set();
    for (const [what, keys] of [["log", this.logs], ["witness", witnesses]]) {
      const raws = keys.map((each) => toHex(each.key.raw));
      if (new Set(raws).size !== raws.length) throw new InputError(`The policy lists the same ${what} key twice.`);
      if (raws.some((raw) => all.has(raw))) {
        throw new InputError("The policy lists a log's key as a witness: nobody is a witness in their own cause.");
      }
      raws.forEach((raw) => all.add(raw));
    }
  }

  /** Check that a checkpoint is one that this policy believes, and return who cosigned it. */
  async require(text) {
    const note = parseNote(text);
    const checkpoint = parseCheckpoint(note.text);
    if (this.logs.length) {
      const own = this.logs.filter((each) => each.name === checkpoint.origin);
      if (!(await verifySignatures(note, checkpoint, own)).size) {
        const origin = [...checkpoint.origin].slice(0, 200).join("");
        refuse(`The checkpoint of ${quoted(origin)} is signed by no log of the policy.`);
      }
    }
    const signed = await verifySignatures(note, checkpoint, [...this.witnesses.values()]);
    const names = [...this.witnesses].filter(([, key]) => signed.has(key)).map(([name]) => name);
    if (this.quorum !== "none" && !this.isMet(this.quorum, new Set(names))) {
      const who = names.length ? names.map(escaped).join(", ") : "no witness of the policy";
      refuse(`The checkpoint is cosigned by ${who}, which is not the quorum '${escaped(this.quorum)}'.`, {
        hint: "Ask for a checkpoint with more cosignatures; without them others may be shown another log.",
      });
    }
    return names;
  }

  isMet(name, names) {
    const group = this.groups.get(name);
    if (group === undefined) return names.has(name);
    return group.members.filter((member) => this.isMet(member, names)).length >= group.threshold;
  }
}
