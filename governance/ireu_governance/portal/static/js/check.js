// Checks a certificate on this computer. Nothing is sent anywhere: the page's own policy forbids it to connect to
// anything, and what it needs came with it.

import { decodeBase64, sha256Hex } from "./verify/bytes.js";
import { Certificate } from "./verify/certificate.js";
import { isSupported } from "./verify/ed25519.js";
import { takeOut } from "./verify/enclosure.js";
import { Envelope } from "./verify/envelope.js";
import { InputError } from "./verify/errors.js";
import { KeyFile } from "./verify/key_file.js";
import { Policy } from "./verify/policy.js";
import { readStatement } from "./verify/statement.js";
import { StatusList } from "./verify/status.js";
import { verifyCertificate } from "./verify/verify.js";
import { count } from "./verify/words.js";

const MAX_BYTES = 8 * 2 ** 20;
const OUTCOMES = { passed: ["✓", "passed", "good"], failed: ["✗", "failed", "bad"], "not-checked": ["–", "not made", "open"] };

const page = document.querySelector("#check");
const words = JSON.parse(page.dataset.words);
const chooser = page.querySelector("#certificate");
const drop = page.querySelector(".drop");
const output = page.querySelector("#result");

let chosen = null;

function make(name, content = "", attributes = {}) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...[content].flat());
  return element;
}

/** Foreign text, with what would be invisible or turn the direction of reading made visible. */
function visible(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]/gu, (each) => `\\u{${each.codePointAt(0).toString(16)}}`);
}

function verdictBox([sign, word, tone, sentence]) {
  const text = make("div", [make("p", word, { class: "word", role: "heading", "aria-level": "2", tabindex: "-1" })]);
  if (sentence) text.append(make("p", sentence));
  return make("div", [make("span", sign, { class: "sign", "aria-hidden": "true" }), text], { class: `verdict ${tone}` });
}

function factList(pairs) {
  const rows = pairs.map(([label, value]) => make("div", [make("dt", label), make("dd", visible(value))]));
  return make("dl", rows, { class: "facts wide" });
}

function sentences(title, each) {
  return make("div", [make("h2", title), make("ul", each.map((sentence) => make("li", visible(sentence))))]);
}

function checkTable(checks) {
  const rows = checks.map((check) => {
    const [sign, word, tone] = OUTCOMES[check.outcome];
    const name = make("th", [words.checks[check.name] ?? check.name, make("code", check.name)], { scope: "row" });
    const reason = make("td", visible(check.reason));
    const hint = localHint(check);
    if (hint) reason.append(make("small", visible(hint), { class: "hint" }));
    const optional = check.outcome === "not-checked" && !check.required ? ", not needed" : "";
    return make("tr", [name, make("td", `${sign} ${word}${optional}`, { class: tone }), reason]);
  });
  const head = make("tr", ["Check", "Outcome", "Why"].map((each) => make("th", each, { scope: "col" })));
  const caption = make("caption", "Every check, by the name that it has on the command line too");
  const table = make("table", [caption, make("thead", head), make("tbody", rows)], { class: "checks" });
  return make("div", table, { class: "scroll", role: "region", "aria-label": "Every check", tabindex: "0" });
}

/** What stands in no report of the browser's own: the pages around an enclosed certificate are not looked at. */
const RENDERING = {
  name: "rendering",
  outcome: "not-checked",
  required: false,
  reason: "The pages around the certificate were not compared with it.",
  hint: "Compare them with: ireu certificate verify FILE",
};

const BRING = "You can choose one above, under “Judge it by files of your own”.";
const HINTS = { witness: BRING, revocation: BRING, "trusted-time": "Only the command line checks them: --tsa-roots FILE" };

/** In place of options of the command line, what can be done on this page. */
function localHint(check) {
  return check.outcome === "not-checked" && !check.required && check.hint.includes("--")
    ? (HINTS[check.name] ?? check.hint)
    : check.hint;
}

/** What the certificate says, read from the bytes that were verified. */
function contentFacts(certificate) {
  const { body } = certificate;
  const [request, removal, verification] = ["request", "removal", "verification"].map((name) =>
    readStatement(Envelope.fromObject(body[name].envelope).payload),
  );
  const found = verification.predicate;
  const planned = new Set(request.predicate.plan.tests.map((each) => each.name));
  const deciding = (scores) => scores.filter((score) => score.matches && planned.has(score.name));
  return [
    ["Certificate", body.id],
    ["Issued", `${body.issued_at} by ${body.issuer.organisation}`],
    ["Valid until", body.valid_until ?? "no end is named"],
    ["Log", body.origin],
    ["Removal recorded", `${removal.predicate.recorded_at}, as entry ${removal.predicate.ledger.seq}`],
    ["Tested", `${found.recorded_at}, as entry ${found.ledger.seq}`],
    ["Tests, fixed before the removal", request.predicate.plan.tests.map((each) => each.name).join(", ")],
    ["Encoder, after the removal", removal.subject.find((each) => each.name === "encoder")?.digest.sha256 ?? "–"],
    ["Files of the encoder", String(removal.subject.length - 1)],
    ["Cases", found.cases.map((each) => `${each.case_id}: ${each.verdict}`).join("; ")],
    ...found.cases.slice(0, 20).flatMap((each) => deciding(each.scores).map((score) => [
      `${score.name}, case ${each.case_id.slice(0, 8)}…`,
      `${score.matches.matches} of ${score.n} recognised; 95 % bounds ${percent(score.matches.lower_95)} to` +
        ` ${percent(score.matches.upper_95)}, at a threshold of ${score.matches.threshold.toFixed(3)}`,
    ])),
  ];
}

function percent(rate) {
  return `${(100 * rate).toFixed(2)} %`;
}

async function readFile(input) {
  const [file] = input.files;
  return file === undefined ? null : new Uint8Array(await file.arrayBuffer());
}

/** Return what the visitor brings; the log's own keys and list where they bring nothing. */
async function readBrought(certificate) {
  const own = { keys: await readFile(page.querySelector("#keys")), list: await readFile(page.querySelector("#list")) };
  const policy = await readFile(page.querySelector("#policy"));
  const keyFile = await KeyFile.fromBytes(own.keys ?? decodeBase64(page.dataset.keys, "key file"));
  const at = `${new Date().toISOString().slice(0, 19)}Z`;
  let status = own.list === null ? null : StatusList.fromBytes(own.list);
  if (own.list === null && own.keys === null && page.dataset.list) {
    // The log's own list is left out where it would decide nothing: it came when the page was opened.
    const list = StatusList.fromBytes(decodeBase64(page.dataset.list, "status list"));
    const issuedAt = certificate?.body.issued_at ?? "";
    if (issuedAt <= list.content.issued_at && at <= list.content.next_update) status = list;
  }
  return { keyFile, status, policy: policy === null ? null : await Policy.fromBytes(policy), at, isOwnKeys: own.keys !== null };
}

function readCertificate(data) {
  try {
    return Certificate.fromBytes(data);
  } catch (error) {
    if (error instanceof InputError) return null; // the report says what is wrong
    throw error;
  }
}

async function check(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const { kind, data } = await takeOut(bytes);
  if (data.length > MAX_BYTES) {
    throw new InputError("The file is larger than 8 MiB.", { hint: "A certificate is not. Choose another file." });
  }
  const certificate = readCertificate(data);
  const brought = await readBrought(certificate);
  const report = await verifyCertificate(data, brought);
  const checks = kind === "json" ? report.checks : [...report.checks, RENDERING];
  const parts = [verdictBox(words.verdicts[report.verdict])];
  const worst = report.verdict === "does-not-hold" ? "failed" : "not-checked";
  const failed = report.checks.filter((each) => each.required && each.outcome === worst);
  if (failed.length) parts.push(make("ul", failed.slice(0, 5).map((each) => make("li", visible(each.reason)))));
  if (kind !== "json") parts.push(enclosureNotice(kind));
  parts.push(make("p", "The file never left this computer. ", { class: "stayed" }));
  const tally = Object.entries(OUTCOMES).map(([outcome, [, word]]) => {
    const number = checks.filter((each) => each.outcome === outcome).length;
    return number ? `${number} ${word}` : "";
  });
  parts.push(make("p", `${count(checks.length, "check")}: ${tally.filter(Boolean).join(", ")}.`, { class: "tally" }));
  const { keyFile } = brought;
  parts.push(
    factList([
      ["File", `${file.name}, ${count(bytes.length, "byte")}`],
      [kind === "json" ? "SHA-256 of the file" : "SHA-256 of the enclosed certificate", await sha256Hex(data)],
      ["Time that the verdict is about", `${report.at}, by this computer's clock`],
      ["The certificate at that time", report.status === null ? "not known" : words.statuses[report.status]],
      ["Judged by the key file", `version ${keyFile.version} of ${keyFile.origin}, ${brought.isOwnKeys ? "which you brought" : "which this page brought"}`],
      ["SHA-256 of the key file", keyFile.digest],
    ]),
    make("h2", "What was checked"),
    checkTable(checks),
  );
  const passed = new Set(report.checks.filter((each) => each.outcome === "passed").map((each) => each.name));
  // Only where these held are the three entries of the kinds that the facts are read from.
  if (certificate !== null && passed.has("position") && passed.has("certificate-signature")) {
    const { says, does_not_claim: limits } = certificate.body;
    parts.push(make("h2", "What is in it"), factList(contentFacts(certificate)));
    parts.push(make("div", [sentences("What the certificate says", says), sentences("What it does not say", limits)], { class: "pair" }));
  }
  return parts;
}

function enclosureNotice(kind) {
  const name = kind === "pdf" ? "PDF" : "web page";
  return make(
    "p",
    `The certificate was taken out of the ${name}. The pages around it were not compared with it: rely on what stands` +
      ` here, or run “ireu certificate verify” on the ${name}, which compares them too.`,
    { class: "notice warn" },
  );
}

function refusal(error) {
  const parts = [verdictBox(["?", "Not decided", "open", error.message])];
  if (error.hint) parts.push(make("p", error.hint));
  parts.push(make("p", "The file never left this computer.", { class: "stayed" }));
  return parts;
}

async function run(file) {
  chosen = file;
  output.setAttribute("aria-busy", "true");
  output.replaceChildren(make("p", "Checking …"));
  let parts;
  try {
    parts = await check(file);
  } catch (error) {
    parts = refusal(error instanceof InputError ? error : new InputError("This page failed.", { hint: String(error) }));
  }
  output.replaceChildren(...parts);
  output.removeAttribute("aria-busy");
  output.querySelector("[tabindex]").focus();
}

function listen() {
  chooser.addEventListener("change", () => {
    if (chooser.files.length) run(chooser.files[0]);
  });
  for (const each of page.querySelectorAll(".brought input")) {
    each.addEventListener("change", () => {
      if (chosen !== null) run(chosen);
    });
  }
  for (const [name, isOver] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", isOver);
      const [file] = name === "drop" ? event.dataTransfer.files : [];
      if (file !== undefined) run(file);
    });
  }
  // A file that is dropped beside the box would otherwise be opened in the place of this page.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
}

if (await isSupported()) {
  page.hidden = false;
  document.querySelector("#by-service").hidden = true;
  listen();
} else {
  const reason = document.querySelector("#unsupported");
  reason.hidden = false;
  reason.textContent = window.isSecureContext
    ? "This browser cannot verify Ed25519 signatures. A current Firefox, Chrome, Edge or Safari can. Or let the service check:"
    : "Browsers verify signatures only on pages that come by https, and this one did not. Ask for it by https, or let the service check:";
}

