/**
 * Builds the page: its modules, channel.js and lean-qr in one script, and its style, in one file without
 * anything outside. The server embeds the result, page/dist/index.html, so it is committed.
 *
 *     node page/build.mjs          builds
 *     node page/build.mjs --check  fails when the committed file is not what is built
 */
import { build, transform } from 'esbuild';
import { mkdir, readFile, writeFile } from 'node:fs/promises';

const at = (path) => new URL(path, import.meta.url);
const read = (path) => readFile(at(path), 'utf8');
const target = ['es2022', 'safari16', 'firefox115', 'chrome109'];

/** The notice that lean-qr asks for; the words of its licence are in that of hpke.js, at the end of the script. */
const NOTICE = '/*! lean-qr: Copyright (c) 2021-2025 David Evans, MIT License as below */';

const bundle = await build({
  entryPoints: [at('page.js').pathname],
  bundle: true,
  minify: true,
  format: 'iife',
  charset: 'utf8',
  legalComments: 'eof',
  banner: { js: NOTICE },
  target,
  write: false,
});
const script = bundle.outputFiles[0].text.trim();
const { code } = await transform(await read('page.css'), { loader: 'css', minify: true, charset: 'utf8', target });
const style = code.trim();
if (/<\/script|<!--/i.test(script) || /<\/style/i.test(style)) throw new Error('the script or the style would end too early');

const page = (await read('index.html'))
  .replace(/^\s+/gm, '')
  .replace('<!-- style -->', () => `<style>${style}</style>`)
  .replace('<!-- script -->', () => `<script>${script}</script>`);

const result = at('dist/index.html');
if (process.argv.includes('--check')) {
  if (page !== (await readFile(result, 'utf8').catch(() => ''))) {
    console.error('page/dist/index.html is not what its sources make: run npm run build:page and commit the result');
    process.exit(1);
  }
} else {
  await mkdir(at('dist/'), { recursive: true });
  await writeFile(result, page);
}
console.log(`page/dist/index.html: ${page.length} characters, script ${script.length}, style ${style.length}`);
