// What can be wrong with untrusted bytes, as in ireu_governance/core/errors.py: they cannot be read (InputError), or
// they were read and found wrong (VerificationError). Anything else that is thrown here is a fault of this program.

export class InputError extends Error {
  constructor(message, { hint = "", code = "input-malformed" } = {}) {
    super(message);
    this.name = "InputError";
    this.hint = hint;
    this.code = code;
  }
}

export class VerificationError extends Error {
  constructor(message, { hint = "" } = {}) {
    super(message);
    this.name = "VerificationError";
    this.hint = hint;
  }
}

export function refuse(message, options) {
  throw new VerificationError(message, options);
}
