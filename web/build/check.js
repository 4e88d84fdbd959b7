// Checks what is to be published: that hpke.js is what its build makes, how large the library is, that its
// types hold, and that the package can be imported as it says.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

import { buildHpke, output } from './hpke.js';

const web = fileURLToPath(new URL('..', import.meta.url));
const run = (command, ...args) => execFileSync(join(web, 'node_modules/.bin', command), args, { cwd: web, stdio: 'inherit' });

// Octets that a page has to load for each module with all that it imports, minified and compressed.
const limits = { 'transport.js': 5_000, 'channel.js': 20_000 };

let failed = false;
function report(passed, what) {
  console.log(`${passed ? 'ok' : 'FAILED'}: ${what}`);
  failed ||= !passed;
}

const licences = ['LICENSE', '../LICENSE'].map(file => readFileSync(join(web, file), 'utf8'));
report(licences[0] === licences[1], 'the licence is that of the project');
report(await buildHpke() === readFileSync(output, 'utf8'), 'hpke.js is what npm run build makes');

for (const [file, limit] of Object.entries(limits)) {
  const bundled = await build({
    entryPoints: [file], absWorkingDir: web, bundle: true, format: 'esm', minify: true, target: 'es2022', write: false,
  });
  const size = gzipSync(bundled.outputFiles[0].contents, { level: 9 }).length;
  report(size < limit, `${file} has ${size} octets minified and compressed, of less than ${limit}`);
}

run('tsc', '--project', 'test/tsconfig.json');
report(true, 'the types hold');
run('publint', '--strict');
run('attw', '--pack', '.', '--profile', 'esm-only');

process.exitCode = failed ? 1 : 0;
