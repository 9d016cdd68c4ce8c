// Statements (in-toto v1) with ireu's predicates: their shapes, and how they are read from verified bytes.

import { equalBytes, encodeUtf8 } from "./bytes.js";
import { InputError } from "./errors.js";
import { canonicalText, parseJson } from "./json.js";
import {
  anyObject, cosine, expectShape, integer, isObject, list, mapping, number128, object, oneOf, optional, orNull, rate, real,
  sha256Text, text, time, token, truth,
} from "./shapes.js";

export const RETEST_VERDICTS = [
  "resurfaced", "encoder-changed", "utility-lost", "inconclusive", "evidence-erased", "holds",
]; // worst first

const position = object({
  origin: text({ pattern: /^[^\p{White_Space}+]{1,200}$/u }),
  seq: integer(),
  prev: sha256Text,
});
const digest = object({ sha256: sha256Text });
const cases = (max) => list(object({ case_id: number128, commitment: sha256Text }), 1, max);
const counts = mapping(token, integer());
const software = mapping(token, token);

const plan = object({
  tests: list(
    object({
      name: token,
      recogniser: token,
      recogniser_digest: sha256Text,
      generator: token,
      generator_digest: orNull(sha256Text),
      threshold: cosine,
      false_match_rate: rate,
      false_match_rate_upper_95: rate,
      false_match_pairs: integer(),
      max_match_rate: rate,
      min_probes: integer(),
    }),
    0,
    20,
  ),
  min_retained_similarity: cosine,
});

const method = object({
  name: token,
  preset: token,
  tap: token,
  k: rate,
  alpha: real(),
  steps: integer(),
  lr: real(),
  lambda: real(),
  batch_size: integer(),
  seed: integer(),
  settings: mapping(token, text({ max: 200 })),
});

const run = object({
  mlflow_run_id: orNull(token),
  model: orNull(token),
  software,
  device: token,
  pickle_allowed: truth,
  seconds: real(),
});

const score = object({
  name: token,
  value: orNull(real()),
  better: oneOf("lower", "higher", "reference"),
  unit: token,
  n: integer(),
  spread: optional(orNull(real())),
  matches: optional(
    orNull(
      object({
        threshold: cosine,
        false_match_rate: rate,
        false_match_rate_upper_95: rate,
        matches: integer(),
        rate,
        lower_95: rate,
        upper_95: rate,
      }),
    ),
  ),
});

const head = (kind) => ({ kind: oneOf(kind), ledger: position, recorded_at: time });

/** The shapes of all predicates, by kind. */
export const PREDICATES = {
  "removal-request": object({ ...head("removal-request"), cases: cases(1000), plan }),
  removal: object({
    ...head("removal"),
    request_seq: integer(),
    cases: cases(1000),
    encoder_before: digest,
    architecture: token,
    method,
    counts,
    run,
  }),
  verification: object({
    ...head("verification"),
    removal_seq: integer(),
    occasion: oneOf("removal", "retest"),
    verdict: oneOf(...RETEST_VERDICTS),
    known_encoder: truth,
    cases: list(
      object({ case_id: number128, verdict: oneOf(...RETEST_VERDICTS), scores: list(score, 0, 200) }), 1, 1000,
    ),
    scores: list(score, 0, 500),
    extractor: orNull(token),
    device: token,
    software,
    job: optional(orNull(token)),
    job_entries: optional(orNull(integer())),
    source: optional(orNull(token)),
    parts: optional(orNull(mapping(token, digest, 1, 20))),
    claimed: optional(orNull(sha256Text)),
    checks: optional(
      orNull(
        object({
          white_box: oneOf("known", "unknown", "not-visible"),
          black_box: oneOf(...RETEST_VERDICTS),
        }),
      ),
    ),
  }),
  "request-event": object({
    ...head("request-event"),
    cases: cases(1),
    event: oneOf("received", "extended", "accepted", "refused", "done", "informed"),
    happened_at: time,
    due_at: optional(orNull(time)),
    grounds: optional(list(token, 0, 20)),
    recipients: optional(orNull(integer())),
    removal_seq: optional(orNull(integer())),
  }),
  erasure: object({
    ...head("erasure"), cases: cases(1000), entries: list(integer(), 0, 10_000), reason: token,
  }),
  "key-change": object({
    ...head("key-change"),
    version: integer(),
    previous: sha256Text,
    reason: token,
    changes: list(
      object({
        key_id: sha256Text,
        role: token,
        change: oneOf("added", "retired", "compromised"),
        revoked_from_size: optional(orNull(integer())),
      }),
      1,
      200,
    ),
  }),
  revocation: object({
    ...head("revocation"),
    certificate_id: number128,
    status: oneOf("revoked", "superseded"),
    removal_seq: integer(),
    reason: token,
    replaced_by: optional(orNull(number128)),
  }),
  deployment: object({
    ...head("deployment"),
    deployment_id: number128,
    name: token,
    change: oneOf("added", "moved", "removed"),
    source: token,
    resolved: optional(orNull(text({ pattern: /^[!-~]{1,300}$/ }))),
    previous: optional(orNull(sha256Text)),
    job: optional(orNull(token)),
  }),
};

const STATEMENT = object({
  _type: oneOf("https://in-toto.io/Statement/v1"),
  subject: list(
    object({ name: text({ min: 1, max: 300, pattern: /^[^\x00-\x1f\\]+$/ }), digest }), 1, 10_000,
  ),
  predicateType: text(),
  predicate: anyObject,
});

// What each step of a request has to say, and what it may say besides.
const NEEDED = {
  received: ["due_at"],
  extended: ["due_at", "grounds"],
  accepted: [],
  refused: ["grounds"],
  done: ["removal_seq"],
  informed: ["recipients"],
};
const ALSO_ALLOWED = { accepted: ["due_at", "grounds"] };

function expectEventMembers(event) {
  const given = {
    due_at: (event.due_at ?? null) !== null,
    grounds: (event.grounds ?? []).length > 0,
    recipients: (event.recipients ?? null) !== null,
    removal_seq: (event.removal_seq ?? null) !== null,
  };
  const needed = NEEDED[event.event];
  const allowed = [...needed, ...(ALSO_ALLOWED[event.event] ?? [])];
  for (const [name, isGiven] of Object.entries(given)) {
    if (isGiven && !allowed.includes(name)) {
      throw new InputError(`The statement is malformed: '${name}' does not belong to the event '${event.event}'.`);
    }
    if (!isGiven && needed.includes(name)) {
      throw new InputError(`The statement is malformed: the event '${event.event}' lacks '${name}'.`);
    }
  }
}

/** Read a statement from the verified payload of an envelope. */
export function readStatement(data) {
  const value = parseJson(data, { what: "statement" });
  if (!equalBytes(encodeUtf8(canonicalText(value)), data)) {
    throw new InputError("The statement is not in canonical JSON form (RFC 8785).");
  }
  if (!isObject(value) || !("_type" in value && "predicateType" in value)) {
    throw new InputError("The statement has no _type or no predicateType.");
  }
  expectShape(STATEMENT, value, "statement");
  const { kind } = value.predicate;
  if (typeof kind !== "string" || !Object.hasOwn(PREDICATES, kind)) {
    throw new InputError("The statement is of a kind that this page does not know.");
  }
  expectShape(PREDICATES[kind], value.predicate, "statement");
  if (value.predicateType !== `urn:ireu:predicate:${kind}:v1`) {
    throw new InputError("The statement's predicate is of another kind than its predicateType says.");
  }
  if (kind === "request-event") expectEventMembers(value.predicate);
  return value;
}

/** Return the digest over the whole encoder that a statement is about. */
export function encoderDigest(statement) {
  const whole = statement.subject.find((each) => each.name === "encoder");
  if (whole === undefined) throw new InputError("The statement's subject has no digest over the whole encoder.");
  return whole.digest.sha256;
}
