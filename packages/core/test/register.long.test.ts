import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, get, nodeBinaries, startProgram } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hup, temporaryFolder, until } from './program.js';

const SERVER = `const { createServer } = require('node:http');
createServer((_request, response) => response.end('pid ' + process.pid)).listen(Number(process.env.PORT));
`;
const tsx = createRequire(import.meta.url).resolve('tsx');

/** Programs that know nothing of endless: the options before the script, and the files. */
const programs: Record<string, [execArgv: string[], script: string, files: Record<string, string>]> = {
  'a CommonJS program': [[], 'server.cjs', { 'server.cjs': SERVER }],
  'an ES module': [
    [],
    'server.mjs',
    {
      'server.mjs': `import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);\n${SERVER}`,
    },
  ],
  'a file of another language, by a hook that is required': [
    ['--require', './hook.cjs'],
    'server.special',
    {
      'hook.cjs': `const { readFileSync } = require('node:fs');
require.extensions['.special'] = (module, file) =>
  module._compile(readFileSync(file, 'utf8').replaceAll('CONSTANT', 'const'), file);
`,
      'server.special': SERVER.replaceAll('const', 'CONSTANT'),
    },
  ],
  'TypeScript by tsx': [
    ['--import', tsx],
    'server.cts',
    {
      'server.cts': SERVER.replace('_request', '_request: unknown').replace(
        'response)',
        'response: { end(text: string): void })',
      ),
    },
  ],
};

test('from NODE_OPTIONS, by its absolute path, in a folder without endless', async () => {
  const [folder, port] = [temporaryFolder(), await freePort()];
  writeFileSync(path.join(folder, 'server.cjs'), SERVER);
  const register = fileURLToPath(new URL('../bundle/register.js', import.meta.url));
  const program = startProgram('server.cjs', {
    cwd: folder,
    env: { PORT: String(port), NODE_OPTIONS: `--require ${register}` },
  });
  onTestFinished(() => program.stop());
  await program.waitFor('serving on');
  const fresh = await hup(program);
  await until(async () => (await get({ port })).body === `pid ${fresh}`);
});

describe('with `--require @endless/core/register` serves, and restarts:', () => {
  for (const { major, path: node } of nodeBinaries())
    for (const [name, [execArgv, script, files]] of Object.entries(programs))
      test(`${name} (Node ${major})`, async () => {
        const [folder, port] = [temporaryFolder(), await freePort()];
        mkdirSync(path.join(folder, 'node_modules/@endless'), { recursive: true });
        symlinkSync(
          fileURLToPath(new URL('..', import.meta.url)),
          path.join(folder, 'node_modules/@endless/core'),
        );
        for (const [file, text] of Object.entries(files)) writeFileSync(path.join(folder, file), text);
        const program = startProgram(script, {
          node,
          cwd: folder,
          execArgv: ['--require', '@endless/core/register', ...execArgv],
          env: { PORT: String(port) },
        });
        onTestFinished(() => program.stop());
        await program.waitFor('serving on');
        const fresh = await hup(program);
        await until(async () => (await get({ port })).body === `pid ${fresh}`);
        // Neither the way in nor the restart is worth a warning of Node's.
        expect(program.stderr.split('\n').filter((line) => line && !/^\S+ endless \d+ /.test(line))).toEqual(
          [],
        );
      });
});
