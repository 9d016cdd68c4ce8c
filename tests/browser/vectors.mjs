// Answers a set of test vectors (tests/fixtures/certificate_vectors.py) with the portal's own modules. Runs under node
//     node vectors.mjs FOLDER-OF-THE-MODULES < vectors.json > answers.json
// and in a browser, where the test imports it and calls `answerAll`.

export async function answerAll({ files, vectors }, base) {
  const { verifyCertificate } = await import(`${base}/verify.js`);
  const { KeyFile } = await import(`${base}/key_file.js`);
  const { StatusList } = await import(`${base}/status.js`);
  const { Policy } = await import(`${base}/policy.js`);
  const { InputError } = await import(`${base}/errors.js`);
  const bytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const read = new Map(Object.entries(files).map(([name, text]) => [name, bytes(text)]));
  const answers = [];
  for (const vector of vectors) {
    const genuine = read.get(vector.base);
    const middle = bytes(vector.insert);
    const data = new Uint8Array(vector.start + middle.length + genuine.length - vector.end);
    data.set(genuine.subarray(0, vector.start));
    data.set(middle, vector.start);
    data.set(genuine.subarray(vector.end), vector.start + middle.length);
    try {
      answers.push(
        await verifyCertificate(data, {
          keyFile: await KeyFile.fromBytes(read.get(vector.keys)),
          status: vector.status === null ? null : StatusList.fromBytes(read.get(vector.status)),
          policy: vector.policy === null ? null : await Policy.fromBytes(read.get(vector.policy)),
          at: vector.at,
        }),
      );
    } catch (error) {
      answers.push(error instanceof InputError ? { error: error.code } : { fault: String(error.stack) });
    }
  }
  return answers;
}

if (globalThis.process?.argv[1]?.endsWith("vectors.mjs")) {
  const { readFileSync } = await import("node:fs");
  const { pathToFileURL } = await import("node:url");
  const base = pathToFileURL(process.argv[2]).href;
  process.stdout.write(JSON.stringify(await answerAll(JSON.parse(readFileSync(0, "utf8")), base)));
}
