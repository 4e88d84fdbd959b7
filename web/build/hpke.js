// Builds hpke.js: the parts of the @hpke packages that the channel needs, in one module without imports.
// The result is committed, so that the library needs no installation; build/check.js builds it again
// and compares.

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { minify } from 'terser';

const web = fileURLToPath(new URL('..', import.meta.url));

/** Where the built module belongs. */
export const output = join(web, 'hpke.js');

// What no page that can encrypt and only uses X-Wing ever reaches is left out, so that the library stays
// small. Each of these modules binds others together; what computes is as published.
const replacements = [
  // A Proxy around globalThis, for polyfills of which there are none.
  { module: '_dnt.shims.js', contents: 'export const dntGlobalThis = globalThis;' },
  // X25519 as a KEM by itself, with its encodings of keys.
  {
    module: 'dhkem-x25519/esm/src/dhkemX25519.js',
    contents: `import { x25519 } from "./primitives/x25519.js";
      export class X25519 {
        async derive(sk, pk) { return x25519.getSharedSecret(sk, pk); }
      }
      export const DhkemX25519HkdfSha256 = undefined;`,
  },
  // HKDF with salts of any length, by a SHA-256 in JavaScript. X-Wing only wants it for the KEM above.
  { module: 'dhkem-x25519/esm/src/hkdfSha256.js', contents: 'export class HkdfSha256 {}' },
  // HPKE's own messages. Keys are exported from its context, and nothing is sealed with that.
  {
    module: 'core/esm/src/senderContext.js',
    contents: `import { SenderExporterContextImpl } from "./exporterContext.js";
      export class SenderContextImpl extends SenderExporterContextImpl {
        constructor(api, kdf, { exporterSecret }, enc) { super(api, kdf, exporterSecret, enc); }
      }`,
  },
  {
    module: 'core/esm/src/recipientContext.js',
    contents: `import { RecipientExporterContextImpl } from "./exporterContext.js";
      export class RecipientContextImpl extends RecipientExporterContextImpl {
        constructor(api, kdf, { exporterSecret }) { super(api, kdf, exporterSecret); }
      }`,
  },
];

// How Node.js was asked for what it had before globalThis.crypto.
const oldNode = /await import\("crypto"\)/g;

// Fields of classes, as a compiler has written them for engines that do not know them.
const field = /Object\.defineProperty\(this, "(\w+)", \{\s*enumerable: true,\s*configurable: true,\s*writable: true,\s*value: ([^{}]*|\{[^{}]*\})\s*\}\);/g;

const replace = {
  name: 'replace',
  setup(bundler) {
    const used = new Set();
    // The packages say of themselves that what is not used can be left out, but the package.json that is
    // nearest to their modules does not repeat it.
    bundler.onResolve({ filter: /./ }, async ({ path, pluginData, ...from }) => {
      if (pluginData === replace || from.kind === 'entry-point') return undefined;
      return { ...await bundler.resolve(path, { ...from, pluginData: replace }), sideEffects: false };
    });
    bundler.onLoad({ filter: /\.js$/ }, ({ path }) => {
      const replacement = replacements.find(({ module }) => path.endsWith(module));
      used.add(replacement);
      return {
        contents: replacement?.contents ??
          readFileSync(path, 'utf8').replace(field, 'this.$1 = $2;').replace(oldNode, '{}'),
        resolveDir: dirname(path),
      };
    });
    bundler.onEnd(() => {
      const unused = replacements.filter(each => !used.has(each)).map(({ module }) => module);
      if (unused.length > 0) throw new Error(`the packages have no ${unused.join(' and no ')} any more: look what to replace`);
    });
  },
};

// The packages whose code is in the bundle, with their licences. The code based on noble-hashes and
// noble-curves came with @hpke/common and mlkem.
function notice() {
  const core = createRequire(import.meta.url);
  const wing = createRequire(core.resolve('@hpke/hybridkem-x-wing'));
  const found = [
    [core, '@hpke/core'], [wing, '@hpke/common'], [wing, '@hpke/dhkem-x25519'],
    [core, '@hpke/hybridkem-x-wing'], [wing, 'mlkem'],
  ].map(([require, name]) => {
    const manifest = require.resolve(`${name}/package.json`);
    const licence = readFileSync(join(dirname(manifest), 'LICENSE'), 'utf8');
    return {
      name: `${name} ${JSON.parse(readFileSync(manifest, 'utf8')).version}`,
      holder: licence.match(/^Copyright .*$/m)[0],
      terms: licence.slice(licence.indexOf('Permission is hereby granted')).trim(),
    };
  });
  const terms = new Set(found.map(each => each.terms));
  if (terms.size !== 1) throw new Error('the packages are not under one licence any more: write a notice for each');
  return [
    'Built by build/hpke.js from these packages; do not edit.',
    '',
    ...found.map(({ name, holder }) => `${name}: ${holder}`),
    'Parts of them are based on noble-hashes and noble-curves: Copyright (c) 2022 Paul Miller (paulmillr.com)',
    '',
    'MIT License',
    '',
    ...[...terms][0].split('\n'),
  ].map(line => ` * ${line}`.trimEnd()).join('\n');
}

/** Returns the text of hpke.js. It depends on nothing but the versions in package-lock.json. */
export async function buildHpke() {
  const bundled = await build({
    entryPoints: [join(web, 'build/hpke-entry.js')],
    absWorkingDir: web,
    bundle: true,
    charset: 'utf8',
    format: 'esm',
    legalComments: 'none',
    mangleProps: /^_[A-Za-z]/, // what the packages keep to themselves
    minify: true,
    plugins: [replace],
    target: 'es2022',
    write: false,
  });
  const { code } = await minify(bundled.outputFiles[0].text, {
    compress: { inline: 1, passes: 3, reduce_funcs: false }, // functions where they are compress better
    ecma: 2020,
    module: true,
  });
  return `/*!\n${notice()}\n */\n${code}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(output, await buildHpke());
