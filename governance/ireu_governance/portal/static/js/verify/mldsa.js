// ML-DSA-44 (FIPS 204), verification only, since no browser offers it yet. A log may sign its checkpoints with such a
// key beside Ed25519, and a line of a known key that does not verify spoils a checkpoint.
//
// Everything here is public, so nothing has to run in constant time.

import { decodeBase64, fromHex, sha256Hex, concat, equalBytes } from "./bytes.js";
import { InputError, refuse } from "./errors.js";

const SPKI_PREFIX = fromHex("30820532300b06096086480165030403110382052100");
const KEY_SIZE = 1312;
const SIGNATURE_SIZE = 2420;

const Q = 8380417;
const N = 256;
const [ROWS, COLUMNS] = [4, 4];
const [TAU, OMEGA, DROPPED] = [39, 80, 13];
const GAMMA1 = 2 ** 17;
const GAMMA2 = (Q - 1) / 88;
const BETA = 78;
const CHALLENGE_SIZE = 32;
const Z_SIZE = 576; // 256 coefficients of 18 bits

const MASK64 = (1n << 64n) - 1n;
const ROTATIONS = [
  0n, 1n, 62n, 28n, 27n, 36n, 44n, 6n, 55n, 20n, 3n, 10n, 43n, 25n, 39n, 41n, 45n, 15n, 21n, 8n, 18n, 2n, 61n, 56n, 14n,
];
const ROUND_CONSTANTS = makeRoundConstants();
const ZETAS = makeZetas();

function makeRoundConstants() {
  // The bits come from a linear feedback shift register (FIPS 202, algorithm 5).
  const constants = [];
  let register = 1;
  for (let round = 0; round < 24; round += 1) {
    let constant = 0n;
    for (let bit = 0; bit < 7; bit += 1) {
      if (register & 1) constant |= 1n << ((1n << BigInt(bit)) - 1n);
      register = register & 0x80 ? (register << 1) ^ 0x171 : register << 1;
    }
    constants.push(constant);
  }
  return constants;
}

function makeZetas() {
  const zetas = new Int32Array(N);
  for (let at = 0; at < N; at += 1) {
    let reversed = 0;
    for (let bit = 0; bit < 8; bit += 1) reversed |= ((at >> bit) & 1) << (7 - bit);
    let [result, base] = [1, 1753];
    for (let rest = reversed; rest > 0; rest >>= 1) {
      if (rest & 1) result = multiply(result, base);
      base = multiply(base, base);
    }
    zetas[at] = result;
  }
  return zetas;
}

/** Multiply modulo Q; the parts keep every product below 2^53. */
function multiply(a, b) {
  return (((a * (b >>> 12)) % Q) * 4096 + a * (b & 0xfff)) % Q;
}

function permute(state) {
  const column = new Array(5);
  const moved = new Array(25);
  for (const constant of ROUND_CONSTANTS) {
    for (let x = 0; x < 5; x += 1) {
      column[x] = state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20];
    }
    for (let x = 0; x < 5; x += 1) {
      const next = column[(x + 1) % 5];
      const mixed = column[(x + 4) % 5] ^ (((next << 1n) | (next >> 63n)) & MASK64);
      for (let y = 0; y < 25; y += 5) state[x + y] ^= mixed;
    }
    for (let x = 0; x < 5; x += 1) {
      for (let y = 0; y < 5; y += 1) {
        const [lane, by] = [state[x + 5 * y], ROTATIONS[x + 5 * y]];
        moved[y + 5 * ((2 * x + 3 * y) % 5)] = ((lane << by) | (lane >> (64n - by))) & MASK64;
      }
    }
    for (let y = 0; y < 25; y += 5) {
      for (let x = 0; x < 5; x += 1) {
        state[x + y] = moved[x + y] ^ (~moved[((x + 1) % 5) + y] & MASK64 & moved[((x + 2) % 5) + y]);
      }
    }
    state[0] ^= constant;
  }
}

/** SHAKE as an endless stream: `rate` is 136 bytes for SHAKE256 and 168 for SHAKE128. */
export class Shake {
  constructor(rate, ...parts) {
    this.rate = rate;
    this.state = new Array(25).fill(0n);
    const data = concat(...parts);
    const padded = new Uint8Array((Math.floor(data.length / rate) + 1) * rate);
    padded.set(data);
    padded[data.length] ^= 0x1f;
    padded[padded.length - 1] ^= 0x80;
    const view = new DataView(padded.buffer);
    for (let block = 0; block < padded.length; block += rate) {
      for (let lane = 0; lane < rate / 8; lane += 1) this.state[lane] ^= view.getBigUint64(block + 8 * lane, true);
      permute(this.state);
    }
    this.block = this.squeeze();
    this.at = 0;
  }

  squeeze() {
    const block = new Uint8Array(this.rate);
    const view = new DataView(block.buffer);
    for (let lane = 0; lane < this.rate / 8; lane += 1) view.setBigUint64(8 * lane, this.state[lane], true);
    return block;
  }

  byte() {
    if (this.at === this.rate) {
      permute(this.state);
      this.block = this.squeeze();
      this.at = 0;
    }
    this.at += 1;
    return this.block[this.at - 1];
  }

  read(length) {
    return Uint8Array.from({ length }, () => this.byte());
  }
}

const shake256 = (length, ...parts) => new Shake(136, ...parts).read(length);

/** Read numbers of some bits each, the lowest bits first. */
function unpackBits(data, bits, count) {
  const values = new Int32Array(count);
  let [buffer, filled, at] = [0, 0, 0];
  for (let value = 0; value < count; value += 1) {
    while (filled < bits) {
      buffer += data[at] * 2 ** filled;
      at += 1;
      filled += 8;
    }
    values[value] = buffer % 2 ** bits;
    buffer = Math.floor(buffer / 2 ** bits);
    filled -= bits;
  }
  return values;
}

function transform(polynomial) {
  let zeta = 0;
  for (let length = 128; length > 0; length >>= 1) {
    for (let start = 0; start < N; start += 2 * length) {
      zeta += 1;
      for (let at = start; at < start + length; at += 1) {
        const product = multiply(ZETAS[zeta], polynomial[at + length]);
        polynomial[at + length] = (polynomial[at] - product + Q) % Q;
        polynomial[at] = (polynomial[at] + product) % Q;
      }
    }
  }
  return polynomial;
}

function transformBack(polynomial) {
  let zeta = N;
  for (let length = 1; length < N; length <<= 1) {
    for (let start = 0; start < N; start += 2 * length) {
      zeta -= 1;
      for (let at = start; at < start + length; at += 1) {
        const [one, other] = [polynomial[at], polynomial[at + length]];
        polynomial[at] = (one + other) % Q;
        polynomial[at + length] = multiply(Q - ZETAS[zeta], (one - other + Q) % Q);
      }
    }
  }
  return polynomial.map((value) => multiply(8347681, value)); // 256^-1 modulo Q
}

function expandMatrixEntry(seed, row, column) {
  const stream = new Shake(168, seed, Uint8Array.of(column, row));
  const polynomial = new Int32Array(N);
  for (let at = 0; at < N; ) {
    const value = stream.byte() | (stream.byte() << 8) | ((stream.byte() & 0x7f) << 16);
    if (value < Q) {
      polynomial[at] = value;
      at += 1;
    }
  }
  return polynomial;
}

function sampleChallenge(seed) {
  const stream = new Shake(136, seed);
  const signs = stream.read(8);
  const polynomial = new Int32Array(N);
  for (let at = N - TAU; at < N; at += 1) {
    let place = stream.byte();
    while (place > at) place = stream.byte();
    const bit = at + TAU - N;
    polynomial[at] = polynomial[place];
    polynomial[place] = (signs[bit >> 3] >> (bit & 7)) & 1 ? Q - 1 : 1;
  }
  return polynomial;
}

/** Return the places of the hints of each row; null if they are not spelt in their one way. */
function unpackHints(data) {
  const rows = [];
  let at = 0;
  for (let row = 0; row < ROWS; row += 1) {
    const end = data[OMEGA + row];
    if (end < at || end > OMEGA) return null;
    const places = data.slice(at, end);
    if (places.some((place, index) => index > 0 && place <= places[index - 1])) return null;
    rows.push(new Set(places));
    at = end;
  }
  return data.subarray(at, OMEGA).some((byte) => byte !== 0) ? null : rows;
}

function useHint(hinted, value) {
  let low = value % (2 * GAMMA2);
  if (low > GAMMA2) low -= 2 * GAMMA2;
  let high = (value - low) / (2 * GAMMA2);
  if (value - low === Q - 1) {
    high = 0;
    low -= 1;
  }
  if (!hinted) return high;
  return (high + (low > 0 ? 1 : 43)) % 44;
}

function packHighBits(rows) {
  // 256 numbers of 6 bits each: four of them in three bytes.
  const data = new Uint8Array(rows.length * 192);
  let at = 0;
  for (const row of rows) {
    for (let index = 0; index < N; index += 4) {
      const word = row[index] | (row[index + 1] << 6) | (row[index + 2] << 12) | (row[index + 3] << 18);
      data.set([word & 0xff, (word >> 8) & 0xff, word >> 16], at);
      at += 3;
    }
  }
  return data;
}

/** Return whether a signature is one over a message, without a context string (FIPS 204, algorithms 3 and 8). */
export function verifyMlDsa44(raw, signature, message) {
  if (signature.length !== SIGNATURE_SIZE || raw.length !== KEY_SIZE) return false;
  const challenge = signature.slice(0, CHALLENGE_SIZE);
  const responses = [];
  for (let column = 0; column < COLUMNS; column += 1) {
    const start = CHALLENGE_SIZE + column * Z_SIZE;
    const packed = unpackBits(signature.subarray(start, start + Z_SIZE), 18, N);
    const values = packed.map((value) => GAMMA1 - value);
    if (values.some((value) => Math.abs(value) >= GAMMA1 - BETA)) return false;
    responses.push(transform(values.map((value) => (value + Q) % Q)));
  }
  const hints = unpackHints(signature.subarray(CHALLENGE_SIZE + COLUMNS * Z_SIZE));
  if (hints === null) return false;
  const seed = raw.slice(0, 32);
  const representative = shake256(64, shake256(64, raw), Uint8Array.of(0, 0), message);
  const sampled = transform(sampleChallenge(challenge));
  const rows = hints.map((hinted, row) => {
    const sum = new Int32Array(N);
    for (let column = 0; column < COLUMNS; column += 1) {
      const entry = expandMatrixEntry(seed, row, column);
      for (let at = 0; at < N; at += 1) sum[at] = (sum[at] + multiply(entry[at], responses[column][at])) % Q;
    }
    const start = 32 + row * 320;
    const high = unpackBits(raw.subarray(start, start + 320), 10, N);
    const key = transform(high.map((value) => (value * 2 ** DROPPED) % Q));
    const approximate = sum.map((value, at) => (value - multiply(sampled[at], key[at]) + Q) % Q);
    return transformBack(approximate).map((value, at) => useHint(hinted.has(at), value));
  });
  return equalBytes(challenge, shake256(CHALLENGE_SIZE, representative, packHighBits(rows)));
}

/** An ML-DSA-44 public key, with the methods of an Ed25519 one. */
export class MlDsaPublicKey {
  constructor(raw, keyId) {
    this.raw = raw;
    this.keyId = keyId;
    this.algorithm = "ml-dsa-44";
  }

  static async fromBase64(text) {
    const raw = decodeBase64(text, "public key");
    if (raw.length !== KEY_SIZE) {
      throw new InputError(`An ML-DSA-44 public key has ${KEY_SIZE} bytes, not ${raw.length}.`);
    }
    return new MlDsaPublicKey(raw, await sha256Hex(SPKI_PREFIX, raw));
  }

  async verify(signature, message) {
    if (signature.length !== SIGNATURE_SIZE) {
      refuse(`The signature has ${signature.length} bytes instead of ${SIGNATURE_SIZE}.`);
    }
    if (!verifyMlDsa44(this.raw, signature, message)) {
      refuse(`The signature of key ${this.keyId.slice(0, 16)}… does not fit what was signed.`);
    }
  }
}
