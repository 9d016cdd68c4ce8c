// From test figures to a verdict, by the rule that was fixed before the removal ran: the arithmetic of
// ireu_governance/core/decision.py, computed again from the recorded counts.

import { refuse } from "./errors.js";
import { RETEST_VERDICTS } from "./statement.js";
import { shortNumber } from "./words.js";

const MAX_PROBES = 1_000_000;
const TOLERANCE = 1e-9;
const TAIL = (1 - 0.95) / 2;
const MAX_TERMS = 100_000;
const RETAINED_SIMILARITY = "retained-similarity";

const intervals = new Map();

export function worst(verdicts) {
  const places = verdicts.map((each) => RETEST_VERDICTS.indexOf(each));
  return places.length ? RETEST_VERDICTS[Math.min(...places)] : "inconclusive";
}

/** Return the one score of a name; null if there is none or more than one. */
export function findScore(scores, name) {
  const named = scores.filter((each) => each.name === name);
  return named.length === 1 ? named[0] : null;
}

export function retainedSimilarity(scores) {
  return findScore(scores, RETAINED_SIMILARITY)?.value ?? null;
}

function decideTest(test, scores) {
  const score = findScore(scores, test.name);
  const matches = score?.matches ?? null;
  if (matches === null || score.n < Math.max(test.min_probes, 1)) return "inconclusive";
  if (matches.lower_95 > test.max_match_rate) return "resurfaced";
  return matches.rate > test.max_match_rate ? "inconclusive" : "holds";
}

/** Return what a case's scores mean under the plan: the worst that applies. */
export function decideCase(plan, scores, similarity) {
  const found = plan.tests.map((test) => decideTest(test, scores));
  if (!found.length) found.push("inconclusive");
  if (similarity === null) found.push("inconclusive");
  else if (similarity < plan.min_retained_similarity) found.push("utility-lost");
  return worst(found);
}

/** Compute a score's rate and bounds again from its counts, and refuse other ones. */
export function verifyMatches(score) {
  const recorded = score.matches ?? null;
  if (recorded === null) return;
  const { matches } = recorded;
  if (matches > score.n || score.n > MAX_PROBES) {
    refuse(
      `The score '${score.name}' is impossible: ${matches} of ${score.n} is no count that an interval can be` +
        " computed for.",
    );
  }
  const [lower, upper] = clopperPearson(matches, score.n);
  for (const [name, stated, computed] of [
    ["rate", recorded.rate, score.n ? matches / score.n : 0],
    ["lower 95 % bound", recorded.lower_95, lower],
    ["upper 95 % bound", recorded.upper_95, upper],
  ]) {
    if (Math.abs(stated - computed) > TOLERANCE) {
      refuse(
        `The ${name} of '${score.name}' is recorded as ${shortNumber(stated)}, but ${matches} matches of` +
          ` ${score.n} probes give ${shortNumber(computed)}.`,
      );
    }
  }
}

/** Return the exact two-sided 95 % confidence interval of a rate (Clopper and Pearson, 1934). */
export function clopperPearson(matches, n) {
  const name = `${matches}/${n}`;
  let found = intervals.get(name);
  if (found === undefined) {
    const lower = matches === 0 ? 0 : betaQuantile(TAIL, matches, n - matches + 1);
    const upper = matches === n ? 1 : 1 - betaQuantile(TAIL, n - matches, matches + 1);
    found = [lower, upper];
    intervals.set(name, found);
  }
  return found;
}

function betaQuantile(probability, a, b) {
  let [low, high] = [0, 1];
  while (high - low > 1e-15) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (incompleteBeta(middle, a, b) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function incompleteBeta(x, a, b) {
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  if (x <= 0) return 0;
  const front = logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x);
  return Math.exp(front) / (a * continuedFraction(x, a, b));
}

/** Return the logarithm of (a − 1)! for a whole number: a sum for small ones, Stirling's series for the others. */
function logGamma(a) {
  if (a < 20) {
    let product = 1;
    for (let factor = 2; factor < a; factor += 1) product *= factor;
    return Math.log(product);
  }
  const square = 1 / (a * a);
  const series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / a;
  return (a - 0.5) * Math.log(a) - a + 0.5 * Math.log(2 * Math.PI) + series;
}

function continuedFraction(x, a, b) {
  // 1 + d1/(1 + d2/(1 + …)), DLMF 8.17.22, from the front by the modified Lentz method.
  const tiny = 1e-300;
  let [value, up, down] = [1, 1, 0];
  for (let term = 1; term < MAX_TERMS; term += 1) {
    const m = Math.floor(term / 2);
    const d =
      term % 2
        ? (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
        : (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    up = 1 + d / up || tiny;
    down = 1 / (1 + d * down || tiny);
    const step = up * down;
    value *= step;
    if (Math.abs(step - 1) < 1e-15) break;
  }
  return value;
}
