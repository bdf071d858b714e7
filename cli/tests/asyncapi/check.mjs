// Parses AsyncAPI documents and checks that each is valid: `node check.mjs FILE...`. Errors end it with 1;
// what is only advice is told.
import { readFile } from 'node:fs/promises';
import { Parser } from '@asyncapi/parser';

const ERROR = 0;
let failed = false;

for (const file of process.argv.slice(2)) {
  const { document, diagnostics } = await new Parser().parse(await readFile(file, 'utf8'));
  for (const found of diagnostics) {
    const kind = found.severity === ERROR ? 'error' : 'advice';
    console.error(`${file}: ${kind}: ${found.message} (at ${found.path.join('/')})`);
  }
  if (!document || diagnostics.some((found) => found.severity === ERROR)) {
    failed = true;
    continue;
  }
  const messages = document.messages().length;
  const counts = [document.channels().length, document.operations().length, messages];
  if (counts.includes(0)) {
    console.error(`${file}: error: no channel, no operation or no message in it`);
    failed = true;
    continue;
  }
  console.log(`${file}: valid, with ${counts[0]} channels, ${counts[1]} operations and ${counts[2]} messages`);
}
process.exit(failed || process.argv.length < 3 ? 1 : 0);
