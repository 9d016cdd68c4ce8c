// What a document must look like: every member named, nothing else, nothing converted.
//
// A shape is a function of a value and of where it stands; it returns nothing and throws InputError. The limits and
// patterns are those of the models in ireu_governance/core.

import { countCharacters } from "./bytes.js";
import { InputError } from "./errors.js";

export const OPTIONAL = Symbol("optional");

function fail(where, reason) {
  throw new InputError(`at ${where.replace(/^\./, "").replace(/[^\w.-]/g, "?").slice(0, 200) || "its top"}: ${reason}`);
}

/** Check a value against a shape; `what` names the document in messages. */
export function expectShape(shape, value, what) {
  try {
    shape(value, "");
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`The ${what} is malformed ${error.message}.`);
    throw error;
  }
}

export function text({ min = 0, max = Infinity, pattern = null } = {}) {
  return (value, where) => {
    if (typeof value !== "string") fail(where, "not text");
    const length = max === Infinity && min < 2 ? value.length : countCharacters(value);
    if (length < min || length > max) fail(where, "text of no possible length");
    if (pattern !== null && !pattern.test(value)) fail(where, "not of the form that it must have");
  };
}

export function integer(min = 0, max = Number.MAX_SAFE_INTEGER) {
  return (value, where) => {
    if (!Number.isSafeInteger(value) || value < min || value > max) fail(where, "not an integer that it could be");
  };
}

export function real(min = -Infinity, max = Infinity) {
  return (value, where) => {
    if (typeof value !== "number" || !Number.isFinite(value) || value < min || value > max) {
      fail(where, "not a number that it could be");
    }
  };
}

export function truth(value, where) {
  if (typeof value !== "boolean") fail(where, "neither true nor false");
}

export function oneOf(...values) {
  return (value, where) => {
    if (!values.includes(value)) fail(where, "none of the possible values");
  };
}

// Shapes that hold others name them in `members`, so that a test can compare them with the models in Python.

function holding(members, made) {
  made.members = members;
  return made;
}

export function orNull(shape) {
  return holding(shape.members, (value, where) => {
    if (value !== null) shape(value, where);
  });
}

export function list(shape, min = 0, max = Infinity) {
  return holding(shape.members, (value, where) => {
    if (!Array.isArray(value)) fail(where, "not a list");
    if (value.length < min || value.length > max) fail(where, "a list of no possible length");
    value.forEach((each, at) => shape(each, `${where}.${at}`));
  });
}

export function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

export function anyObject(value, where) {
  if (!isObject(value)) fail(where, "not an object");
}

/** Any names of one shape, with values of another. */
export function mapping(nameShape, shape, min = 0, max = Infinity) {
  return holding(shape.members, (value, where) => {
    anyObject(value, where);
    const names = Object.keys(value);
    if (names.length < min || names.length > max) fail(where, "no possible number of members");
    for (const name of names) {
      nameShape(name, `${where}.${name}`);
      shape(value[name], `${where}.${name}`);
    }
  });
}

/** Exactly these members; one whose shape is `optional(...)` may be absent. */
export function object(members) {
  return holding(members, (value, where) => {
    anyObject(value, where);
    for (const name of Object.keys(value)) {
      if (!Object.hasOwn(members, name)) fail(`${where}.${name}`, "a member that the format does not name");
    }
    for (const [name, shape] of Object.entries(members)) {
      if (name in value) shape(value[name], `${where}.${name}`);
      else if (!shape[OPTIONAL]) fail(`${where}.${name}`, "missing");
    }
  });
}

export function optional(shape) {
  const made = holding(shape.members, (value, where) => shape(value, where));
  made[OPTIONAL] = true;
  return made;
}

export const sha256Text = text({ pattern: /^[0-9a-f]{64}$/ });
export const number128 = text({ pattern: /^[0-9a-f]{32}$/ });
export const token = text({ pattern: /^[A-Za-z0-9@][A-Za-z0-9._:/@+-]{0,199}$/ });
export const rate = real(0, 1);
export const cosine = real(-1, 1);
export const signature64 = text({ pattern: /^[A-Za-z0-9+/]{86}==$/ });
export const words = text({ min: 1, max: 200, pattern: /^[^\x00-\x1f\x7f]+$/ });

const TIME = /^([0-9]{4})-([0-9]{2})-([0-9]{2})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$/;

export function isTime(value) {
  const parts = typeof value === "string" ? TIME.exec(value) : null;
  if (parts === null) return false;
  const [year, month, day] = parts.slice(1).map(Number);
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
}

export function time(value, where) {
  if (!isTime(value)) fail(where, "no time of the form 2026-11-23T06:00:00Z");
}

/** Return the seconds from one time to another. */
export function secondsBetween(earlier, later) {
  return Math.round((Date.parse(later) - Date.parse(earlier)) / 1000);
}
