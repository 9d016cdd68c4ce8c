// Whether the three statements of a certificate tell one story, and whether its end follows from its figures. All of
// them were verified before. Each check returns what it found, or throws VerificationError with the reason.

import { fromHex, sha256Hex } from "./bytes.js";
import { decideCase, findScore, retainedSimilarity, verifyMatches, worst } from "./decision.js";
import { InputError, refuse } from "./errors.js";
import { encoderDigest } from "./statement.js";
import { count, shortNumber } from "./words.js";

const AGAINST = ["resurfaced", "encoder-changed", "utility-lost"];
const MAX_FILES = 10_000;

/** Put three statements into their places; refuses those of other kinds. */
export function tellStory(request, removal, verification) {
  const kinds = [request, removal, verification].map((each) => each.predicate.kind);
  if (kinds.join() !== "removal-request,removal,verification") {
    refuse(
      "The entries are not a removal request, a removal and a verification, but" +
        ` ${kinds[0]}, ${kinds[1]} and ${kinds[2]}.`,
    );
  }
  return {
    request: request.predicate,
    removal: removal.predicate,
    verification: verification.predicate,
    encoderBefore: encoderDigest(request),
    encoderAfter: encoderDigest(removal),
    removalSubject: removal.subject,
    verificationSubject: verification.subject,
  };
}

/** Check that all three statements are about the same encoder, the same cases and one another. */
export async function checkBinding(story) {
  const { request, removal, verification } = story;
  await checkSubjects(story.removalSubject);
  if (byName(story.removalSubject) !== byName(story.verificationSubject)) {
    refuse("The verification tested another encoder than the removal made.");
  }
  if (!verification.known_encoder) refuse("The verification says that it did not know the encoder it tested.");
  if (removal.encoder_before.sha256 !== story.encoderBefore) {
    refuse("The removal started from another encoder than the request is about.");
  }
  if (removal.encoder_before.sha256 === story.encoderAfter) {
    refuse("The encoder after the removal is the one before it: nothing was changed.");
  }
  if (removal.request_seq !== request.ledger.seq) {
    refuse(`The removal answers request ${removal.request_seq}, not request ${request.ledger.seq}.`);
  }
  if (verification.removal_seq !== removal.ledger.seq) {
    refuse(`The verification is of removal ${verification.removal_seq}, not ${removal.ledger.seq}.`);
  }
  const asked = new Map(request.cases.map((each) => [each.case_id, each.commitment]));
  const done = new Map(removal.cases.map((each) => [each.case_id, each.commitment]));
  const found = new Set(verification.cases.map((each) => each.case_id));
  const lengths = [request.cases.length, removal.cases.length, verification.cases.length];
  if (lengths.some((each) => each !== asked.size)) {
    refuse("The entries do not list the same number of cases, or list one twice.");
  }
  const same = (one) => asked.size === one.size && [...asked.keys()].every((each) => one.has(each));
  if (!same(done) || !same(found) || [...asked].some(([id, commitment]) => done.get(id) !== commitment)) {
    refuse("The request, the removal and the verification are about different cases.");
  }
  return { reason: `All three entries are about ${count(asked.size, "case")} and the encoder ${story.encoderAfter}.` };
}

async function checkSubjects(subjects) {
  const digests = new Map(subjects.map((each) => [each.name, each.digest.sha256]));
  if (digests.size !== subjects.length || !digests.has("encoder")) {
    refuse("The record names a file twice, or no encoder as a whole.");
  }
  const whole = digests.get("encoder");
  digests.delete("encoder");
  if (!digests.size) return;
  if (digests.size >= MAX_FILES) {
    refuse(`The recorded files are malformed: An encoder has fewer than ${MAX_FILES} files.`);
  }
  const names = [...digests.keys()];
  for (const name of names) {
    if (name.split("/").some((part) => ["", ".", ".."].includes(part))) {
      refuse("The recorded files are malformed: there is a name that no file inside an encoder's folder has.");
    }
  }
  const ordered = names.sort(comparePaths).map((name) => fromHex(digests.get(name)));
  if ((await sha256Hex(...ordered)) !== whole) {
    refuse("The recorded overall digest is not that of the recorded files.");
  }
}

/** Order paths part by part, each by its code points (UTF-16 would put some letters elsewhere). */
function comparePaths(one, other) {
  const [parts, others] = [one.split("/"), other.split("/")];
  for (let at = 0; at < Math.min(parts.length, others.length); at += 1) {
    const order = compareText(parts[at], others[at]);
    if (order) return order;
  }
  return parts.length - others.length;
}

function compareText(one, other) {
  const [left, right] = [[...one], [...other]];
  for (let at = 0; at < Math.min(left.length, right.length); at += 1) {
    const order = left[at].codePointAt(0) - right[at].codePointAt(0);
    if (order) return order;
  }
  return left.length - right.length;
}

function byName(subjects) {
  return JSON.stringify(subjects.map((each) => `${each.name}\0${each.digest.sha256}`).sort());
}

/** Check that every test that was planned before the removal was reported, at the planned threshold. */
export function checkPlan(story) {
  const { tests } = story.request.plan;
  if (!tests.length) refuse("The request planned no test, so nothing can follow from it.");
  if (new Set(tests.map((test) => test.name)).size !== tests.length) {
    refuse("The request planned two tests of the same name.");
  }
  let reported = 0;
  for (const each of story.verification.cases) {
    if (each.verdict === "evidence-erased") continue; // the verdict check leaves such a case open
    for (const test of tests) {
      checkReported(test, each);
      reported += 1;
    }
  }
  const planned = tests.length === 1 ? "The 1 planned test was" : `All ${tests.length} planned tests were`;
  return { reason: `${planned} reported as planned (${count(reported, "result")}).` };
}

function checkReported(test, each) {
  const matches = findScore(each.scores, test.name)?.matches ?? null;
  if (matches === null) {
    refuse(`The planned test '${test.name}' has no single result for case ${each.case_id}.`);
  }
  if (matches.threshold !== test.threshold) {
    refuse(
      `The test '${test.name}' was planned with the threshold ${shortNumber(test.threshold)}, but made with` +
        ` ${shortNumber(matches.threshold)}.`,
    );
  }
  if (
    matches.false_match_rate !== test.false_match_rate ||
    matches.false_match_rate_upper_95 !== test.false_match_rate_upper_95
  ) {
    refuse(`The test '${test.name}' was reported with other error rates than it was planned with.`);
  }
}

/** Check that bounds follow from the counts, verdicts from the bounds, and what the verdict is. */
export function checkVerdict(story) {
  const { request, verification } = story;
  verification.scores.forEach(verifyMatches);
  for (const each of verification.cases) {
    each.scores.forEach(verifyMatches);
    const similarity = retainedSimilarity([...verification.scores, ...each.scores]);
    const computed = decideCase(request.plan, each.scores, similarity);
    const erased = each.verdict === "evidence-erased" && computed === "inconclusive";
    if (each.verdict !== computed && !erased) {
      refuse(
        `Case ${each.case_id} is recorded as '${each.verdict}', but by the plan its scores mean '${computed}'.`,
      );
    }
  }
  const overall = worst(verification.cases.map((each) => each.verdict));
  if (verification.verdict !== overall) {
    refuse(`The verification is recorded as '${verification.verdict}', but its cases mean '${overall}'.`);
  }
  if (AGAINST.includes(overall)) {
    const cases = verification.cases.filter((each) => each.verdict === overall);
    refuse(`The tests found '${overall}' for ${cases.length} of the cases, first ${cases[0].case_id}.`);
  }
  if (overall !== "holds") {
    return { reason: `By the plan, the recorded tests are '${overall}'.`, decided: false };
  }
  return { reason: "By the plan that was recorded before the removal, all scores mean 'holds'." };
}

/** Check that the recorded times are in the order of what they record. */
export function checkTime(story, issuedAt) {
  const times = [
    ["the request", story.request.recorded_at],
    ["the removal", story.removal.recorded_at],
    ["the verification", story.verification.recorded_at],
    ["the certificate", issuedAt],
  ];
  for (let at = 1; at < times.length; at += 1) {
    const [[earlier, first], [later, second]] = [times[at - 1], times[at]];
    if (second < first) {
      const name = later[0].toUpperCase() + later.slice(1);
      refuse(`${name} is dated ${second}, before ${earlier} (${first}).`);
    }
  }
  return { reason: `The recorded times are in order, from ${times[0][1]} to ${issuedAt}.` };
}

/** Check that the steps of the requests are about the certificate's cases and removal, in the order of time. */
export function checkHistory(story, events, lastTime) {
  const cases = new Set(story.request.cases.map((each) => each.case_id));
  const received = new Map();
  let recorded = "";
  for (const event of events) {
    if (event.kind !== "request-event") refuse(`The history holds a ${event.kind}, which is no step of a request.`);
  }
  for (const event of events) {
    const caseId = event.cases[0].case_id;
    const what = `The step '${event.event}' (entry ${event.ledger.seq})`;
    if (!cases.has(caseId)) refuse(`${what} is about a case that the certificate is not about.`);
    if (event.recorded_at < recorded || event.recorded_at > lastTime) {
      refuse(`${what} was recorded at ${event.recorded_at}, out of the order of the log.`);
    }
    recorded = event.recorded_at;
    if (event.happened_at > event.recorded_at) {
      refuse(`${what} was recorded before it happened (${event.happened_at}).`);
    }
    if (event.event === "received") {
      if (!received.has(caseId)) received.set(caseId, event.happened_at);
    } else if (!received.has(caseId)) refuse(`${what} comes before the request was received.`);
    else if (event.happened_at < received.get(caseId)) {
      refuse(`${what} happened at ${event.happened_at}, before the request came (${received.get(caseId)}).`);
    }
    const removal = event.removal_seq ?? null;
    if (removal !== null && removal !== story.removal.ledger.seq) {
      refuse(`${what} names removal ${removal}, not ${story.removal.ledger.seq}.`);
    }
    if (event.event === "done" && event.ledger.seq < story.removal.ledger.seq) {
      refuse(`${what} was recorded before the removal.`);
    }
  }
  return { reason: tellHistory(events) };
}

function tellHistory(events) {
  const day = (times) => times.sort().at(-1).slice(0, 10);
  const first = events.filter((each) => each.event === "received").map((each) => each.happened_at).sort()[0];
  const due = events.map((each) => each.due_at ?? null).filter((each) => each !== null);
  const done = events.filter((each) => each.event === "done").map((each) => each.happened_at);
  if (first === undefined) throw new InputError("The history has no beginning."); // no history without one gets here
  let text = `The log holds ${count(events.length, "step")} of the requests, the first received on ${first.slice(0, 10)}`;
  if (due.length) text += `, the last due on ${day(due)}`;
  if (done.length) text += `, done on ${day(done)}`;
  return `${text}.`;
}
