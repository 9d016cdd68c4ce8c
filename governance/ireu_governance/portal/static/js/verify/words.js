// Figures and foreign text in sentences, spelt as the command line spells them, so that both reports read the same.

/** Return a number as Python's format ".6g" writes it. */
export function shortNumber(value) {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const exponent = Number(value.toExponential(5).split("e")[1]);
  if (exponent >= -4 && exponent < 6) {
    const text = value.toFixed(Math.max(0, 5 - exponent));
    return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  }
  const [digits] = value.toExponential(5).split("e");
  const size = String(Math.abs(exponent)).padStart(2, "0");
  return `${digits.replace(/\.?0+$/, "")}e${exponent < 0 ? "-" : "+"}${size}`;
}

/** Return text in quotes with everything but plain characters escaped, as Python's ascii() does. */
export function quoted(text) {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  let result = "";
  for (const character of text) {
    const code = character.codePointAt(0);
    if (character === "\\" || character === mark) result += `\\${character}`;
    else if (character === "\t") result += "\\t";
    else if (character === "\n") result += "\\n";
    else if (character === "\r") result += "\\r";
    else if (code >= 0x20 && code < 0x7f) result += character;
    else if (code < 0x100) result += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (code < 0x10000) result += `\\u${code.toString(16).padStart(4, "0")}`;
    else result += `\\U${code.toString(16).padStart(8, "0")}`;
  }
  return mark + result + mark;
}

/** Return text with everything beyond ASCII escaped, as Python's "backslashreplace" does. */
export function escapeForeign(text) {
  return text.replace(/[^\u0000-\u007f]/gu, (each) => quoted(each).slice(1, -1));
}

export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

/** Return a span of time in its largest fitting unit. */
export function span(seconds) {
  for (const [name, size] of [["day", 86_400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= 2 * size || seconds === size) return count(Math.floor(seconds / size), name);
  }
  return count(seconds, "second");
}
