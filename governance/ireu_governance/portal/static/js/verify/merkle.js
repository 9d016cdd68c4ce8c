// The Merkle tree of RFC 9162: from a leaf to the root, step by step. Sizes and numbers are BigInt.

import { equalBytes, sha256 } from "./bytes.js";
import { refuse } from "./errors.js";

export const HASH_SIZE = 32;
const MAX_TREE_SIZE = 2n ** 53n - 1n;

export function leafHash(data) {
  return sha256(Uint8Array.of(0), data);
}

export function nodeHash(left, right) {
  return sha256(Uint8Array.of(1), left, right);
}

/**
 * Return the way from a leaf to the root that a proof of this length describes (RFC 9162, section 2.1.3.2).
 *
 * Each step is {level, side}: at which height its hash stands, and on which side of ours. Heights are skipped where
 * the tree is not full.
 */
export function planSteps(index, size, length) {
  if (index < 0n || index >= size || size > MAX_TREE_SIZE) {
    refuse(`A tree of ${size} leaves has no leaf number ${index}.`);
  }
  let [node, last, level] = [index, size - 1n, 0];
  const steps = [];
  for (let step = 0; step < length; step += 1) {
    if (last === 0n) refuse("The inclusion proof is longer than the way to the root.");
    if (node & 1n || node === last) {
      while (!(node & 1n) && node) {
        node >>= 1n;
        last >>= 1n;
        level += 1;
      }
      steps.push({ level, side: "left" });
    } else steps.push({ level, side: "right" });
    node >>= 1n;
    last >>= 1n;
    level += 1;
  }
  if (last !== 0n) refuse("The inclusion proof is shorter than the way to the root.");
  return steps;
}

/** Compute all hashes on the way; the last one is the root that the proof leads to. */
export async function climb(index, size, leaf, proof) {
  const way = [];
  let current = leaf;
  for (const [at, { level, side }] of planSteps(index, size, proof.length).entries()) {
    const sibling = proof[at];
    current = side === "left" ? await nodeHash(sibling, current) : await nodeHash(current, sibling);
    way.push({ level, side, sibling, hash: current });
  }
  return way;
}

/** Check that a leaf is in a tree. */
export async function verifyInclusion({ index, size, leaf, proof, root }) {
  const way = await climb(index, size, leaf, proof);
  if (!equalBytes(way.at(-1)?.hash ?? leaf, root)) {
    refuse(`Entry ${index} is not in the log: the proof leads to another root.`);
  }
}
