// The verification of a certificate in the browser: every check by the name that it has in docs/formats.md, with a
// reason. Only two things are trusted: the key file that the reader brings, and this code. Nothing here reads a clock,
// a file or the network.

import { claimsToBeCertificate, refuseNewerFormat } from "./certificate.js";
import { CertificateChecks } from "./checks.js";
import { InputError, VerificationError } from "./errors.js";
import { isTime } from "./shapes.js";

/** Checks that the verdict can do without, unless the reader brings what they need. */
const OPTIONAL = ["encoder-digest", "history", "validity", "witness", "trusted-time", "revocation"];

const STEPS = [
  ["form", "form", []],
  ["key-file", "keyFile", ["form"]],
  ["certificate-signature", "certificateSignature", ["form"]],
  ["record-signature", "recordSignature", ["form"]],
  ["checkpoint-signature", "checkpointSignature", ["form"]],
  ["inclusion", "inclusion", ["checkpoint-signature"]],
  ["position", "position", ["record-signature"]],
  ["subject-binding", "subjectBinding", ["position"]],
  ["plan", "plan", ["position"]],
  ["verdict", "verdict", ["position"]],
  ["encoder-digest", "encoderDigest", ["position"]],
  ["time", "time", ["position"]],
  ["history", "history", ["position"]],
  ["validity", "validity", ["certificate-signature"]],
  ["witness", "witness", ["checkpoint-signature"]],
  ["trusted-time", "trustedTime", ["certificate-signature"]],
  ["revocation", "revocation", ["certificate-signature", "checkpoint-signature"]],
];

/** Names of all checks, in the order of the report. */
export const CHECKS = STEPS.map(([name]) => name);

/**
 * Check a certificate against a trusted key file.
 *
 * `at` is the time that is asked about, `status` the log's StatusList, `policy` a Policy. What the reader brings is
 * required: when it does not lead to an end, the verdict is undecided. Returns {verdict, status, at, checks}, and
 * throws InputError if the bytes do not claim to be a certificate, or are one of a later format.
 */
export async function verifyCertificate(data, { keyFile, at = null, status = null, policy = null }) {
  if (!claimsToBeCertificate(data)) {
    throw new InputError("This is not an ireu certificate.", { code: "input-not-a-certificate" });
  }
  refuseNewerFormat(data);
  if (at !== null && !isTime(at)) throw new InputError(`'${at}' is no time of the form 2026-11-23T06:00:00Z.`);
  const verification = new CertificateChecks(data, keyFile, { at, status, policy });
  const passed = new Set();
  const checks = [];
  for (const [name, method, needs] of STEPS) {
    const check = await makeCheck(verification, name, method, needs, passed);
    if (check.outcome === "passed") passed.add(name);
    checks.push({ name, ...check });
  }
  const verdict = judge(checks);
  const isCurrent = passed.has("validity") && passed.has("revocation") && at !== null;
  if (isCurrent && checks.every((each) => each.outcome !== "failed")) verification.status = "valid";
  return { verdict, status: verification.status, at, checks };
}

async function makeCheck(verification, name, method, needs, passed) {
  const required = !OPTIONAL.includes(name);
  const missing = needs.find((each) => !passed.has(each));
  if (missing !== undefined) {
    return { outcome: "not-checked", reason: `It rests on '${missing}', which did not pass.`, required, hint: "" };
  }
  try {
    const finding = await verification[method]();
    if (finding.decided ?? true) return { outcome: "passed", reason: finding.reason, required: true, hint: "" };
    return {
      outcome: "not-checked",
      reason: finding.reason,
      required: finding.required ?? true,
      hint: finding.hint ?? "",
    };
  } catch (error) {
    if (!(error instanceof InputError || error instanceof VerificationError)) throw error;
    return { outcome: "failed", reason: error.message, required: true, hint: error.hint };
  }
}

function judge(checks) {
  if (checks.some((each) => each.outcome === "failed")) return "does-not-hold";
  return checks.some((each) => each.required && each.outcome === "not-checked") ? "undecided" : "holds";
}
