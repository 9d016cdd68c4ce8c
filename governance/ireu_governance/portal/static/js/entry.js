// The proof of an entry, computed again in the browser: the entry's signature, its hash, every step up to the root,
// and the log's signature on the root.

import { decodeBase64, equalBytes, toHex } from "./verify/bytes.js";
import { isSupported } from "./verify/ed25519.js";
import { Envelope } from "./verify/envelope.js";
import { parseJson } from "./verify/json.js";
import { KeyFile } from "./verify/key_file.js";
import { climb, leafHash } from "./verify/merkle.js";
import { parseProof, verifiedCheckpoint } from "./verify/note.js";

const section = document.querySelector("#proof");
const live = section.querySelector(".live");
const result = section.querySelector(".live-result");
const list = section.querySelector(".live-checks");
const again = section.querySelector(".live-again");

const PAUSE_MS = 350;

function mark(step, state) {
  for (const each of section.querySelectorAll(`[data-step="${step}"]`)) each.classList.add(state);
}

function say(ok, text) {
  const item = document.createElement("li");
  const sign = document.createElement("span");
  sign.className = `mark ${ok ? "good" : "bad"}`;
  sign.textContent = ok ? "✓" : "✗";
  sign.setAttribute("aria-hidden", "true");
  item.append(sign, ok ? text : `Failed: ${text}`);
  list.append(item);
}

function conclude(ok, text) {
  result.className = `live-result notice ${ok ? "good" : "bad"}`;
  result.textContent = `${ok ? "✓" : "✗"} ${text}`;
}

function reset() {
  list.replaceChildren();
  result.className = "live-result notice";
  result.textContent = "Computing …";
  for (const each of section.querySelectorAll("[data-step]")) each.classList.remove("done", "wrong");
}

/** What the page shows for a step; another figure there than the computed one would be a false page. */
function shown(step) {
  return section.querySelector(`tr[data-step="${step}"] td:last-child code`).textContent;
}

function expectShown(step, hash) {
  const ok = shown(step) === toHex(hash);
  mark(step, ok ? "done" : "wrong");
  if (!ok) throw new Error(`at step ${step} the page shows another hash than the computed one.`);
}

async function compute(pause) {
  const keys = await KeyFile.fromBytes(decodeBase64(section.dataset.keys, "key file"));
  const proof = parseProof(section.dataset.proof);
  const envelope = Envelope.fromObject(parseJson(decodeBase64(section.dataset.envelope, "entry"), { what: "entry" }));
  for (const keyId of envelope.keyIds) keys.expectValid(keyId, proof.index);
  await envelope.verify(keys.keys("record"));
  say(true, "A record key of the log signed the entry.");
  const leaf = await leafHash(envelope.bytes);
  expectShown(0, leaf);
  say(true, `SHA-256 of the entry is ${toHex(leaf)}.`);
  const checkpoint = await verifiedCheckpoint(proof.checkpoint, keys);
  const way = await climb(proof.index, checkpoint.size, leaf, proof.hashes);
  for (const [at, { hash }] of way.entries()) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    expectShown(at + 1, hash);
  }
  say(true, way.length === 1 ? "The 1 step was computed." : `All ${way.length} steps were computed.`);
  if (!equalBytes(way.at(-1)?.hash ?? leaf, checkpoint.root)) throw new Error("the steps lead to another root.");
  expectShown("root", checkpoint.root);
  say(true, `They lead to the root ${toHex(checkpoint.root)} of ${checkpoint.size} entries.`);
  say(true, `The log ${checkpoint.origin} signed this root.`);
}

async function run(pause) {
  reset();
  again.disabled = true;
  try {
    await compute(pause);
    conclude(true, "Your browser computed it: the log holds this entry.");
  } catch (error) {
    say(false, error.message);
    conclude(false, "The proof does not hold. Do not rely on this page.");
  }
  again.disabled = false;
}

if (section.dataset.proof && (await isSupported())) {
  live.hidden = false;
  again.addEventListener("click", () => {
    run(window.matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : PAUSE_MS);
  });
  await run(0);
} else if (section.dataset.proof) {
  live.hidden = false;
  again.hidden = true;
  result.className = "live-result notice warn";
  result.textContent = window.isSecureContext
    ? "This browser cannot verify Ed25519 signatures, so that it cannot compute the proof. A current one can."
    : "Browsers compute only on pages that come by https. Ask for this page by https, or use the command line.";
}
