// Unpacks a headless Chromium for Linux out of its npm package, once, and prints where it is: `path` of the program, and
// `libraries` for machines that lack those that a browser needs.

import { createReadStream, createWriteStream, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createBrotliDecompress } from 'node:zlib';
import { extract } from 'tar-fs';

const modules = join(dirname(fileURLToPath(import.meta.url)), 'node_modules');
const packed = join(modules, '@sparticuz', 'chromium', 'bin');
const place = join(modules, '.chromium');

if (!existsSync(place)) {
  // Beside its place first: who is interrupted leaves nothing half unpacked.
  const beside = `${place}.partial`;
  rmSync(beside, { recursive: true, force: true });
  mkdirSync(beside);
  const unpack = (name, target) => pipeline(createReadStream(join(packed, name)), createBrotliDecompress(), target);
  await unpack('chromium.br', createWriteStream(join(beside, 'chromium'), { mode: 0o755 }));
  await unpack('al2023.tar.br', extract(join(beside, 'libraries')));
  renameSync(beside, place);
}
const libraries = join(place, 'libraries', 'lib');
process.stdout.write(`${JSON.stringify({ path: join(place, 'chromium'), libraries })}\n`);
