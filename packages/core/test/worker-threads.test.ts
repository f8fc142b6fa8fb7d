import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, rowTest, test } from '@endless/conformance';
import { freePort, type Program, startProgram, testedNodes } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { fixture, getJson, hup, temporaryFolder } from './program.js';

const CORE = fileURLToPath(new URL('..', import.meta.url));

/** A release with its own copy of endless, as a deploy puts it there. */
function release(folder: string, name: string): void {
  const core = path.join(folder, name, 'node_modules/@endless/core');
  mkdirSync(core, { recursive: true });
  for (const part of ['package.json', 'bundle'])
    cpSync(path.join(CORE, part), path.join(core, part), { recursive: true });
  cpSync(fixture('threads.mjs'), path.join(folder, name, 'server.mjs'));
}

function point(folder: string, name: string): void {
  symlinkSync(name, path.join(folder, 'next'));
  renameSync(path.join(folder, 'next'), path.join(folder, 'current'));
}

interface Deployed {
  program: Program;
  port: number;
  folder: string;
  /** Deploys another release, restarts, and deletes the previous release. */
  deploy(from: string, to: string): Promise<void>;
}

async function deployed(node: string, temporary: string, execArgv: string[] = []): Promise<Deployed> {
  const folder = temporaryFolder();
  release(folder, 'one');
  point(folder, 'one');
  const port = await freePort();
  const program = startProgram('current/server.mjs', {
    node,
    execArgv,
    cwd: folder,
    env: { PORT: String(port), SETTINGS: '{"rollbackWindow":100,"idleGrace":50}', TMPDIR: temporary },
  });
  onTestFinished(() => program.stop());
  await program.waitFor(/listening \d+ 0/);
  const deploy = async (from: string, to: string) => {
    release(folder, to);
    point(folder, to);
    const before = (await getJson<{ pid: number }>(port, '/')).pid;
    await hup(program, before);
    await program.waitForPids(1);
    rmSync(path.join(folder, from), { recursive: true });
  };
  return { program, port, folder, deploy };
}

const arguments_ = (program: Program) =>
  readFileSync(`/proc/${program.pids()[0]}/cmdline`, 'utf8').split('\0').slice(1, 3);

for (const { major, path: node } of testedNodes())
  describe(`worker threads of a successor whose old release is deleted (Node ${major})`, () => {
    rowTest('start, and they, what they fork and threads inside of them see no preload', async () => {
      const { program, port, folder, deploy } = await deployed(node, temporaryFolder(), ['--no-warnings']);
      const plain = { execArgv: ['--no-warnings'] };
      for (const [from, to] of [
        ['one', 'two'],
        ['two', 'three'],
      ] as const) {
        await deploy(from, to);
        expect(await getJson(port, '/worker')).toEqual({ ...plain, nested: plain });
        expect(await getJson(port, '/worker-that-forks')).toEqual({ ...plain, forked: plain.execArgv });
      }
      // Nothing of the releases is named, and what is named is the argument that the pages speak of.
      expect(arguments_(program)).toEqual(['--require', expect.stringMatching(/\/preload\.cjs$/)]);
      expect(arguments_(program)[1]).not.toContain(folder);
    });

    rowTest(
      'start also when a cleaner has emptied the temporary folder, and what another has put there does not run',
      async () => {
        const temporary = temporaryFolder();
        const { program, port, deploy } = await deployed(node, temporary);
        await deploy('one', 'two');
        const [, preload = ''] = arguments_(program);
        const plain = { execArgv: [] };
        for (let cleanings = 0; cleanings < 3; cleanings += 1) {
          for (const each of readdirSync(temporary)) rmSync(path.join(temporary, each), { recursive: true });
          expect(await getJson(port, '/worker')).toEqual({ ...plain, nested: plain });
        }
        // In a folder of endless it is repaired; in one that others may write to, nothing runs.
        const witness = path.join(temporaryFolder(), 'witness');
        const foreign = `require('node:fs').writeFileSync(${JSON.stringify(witness)}, '');`;
        writeFileSync(preload, foreign);
        expect(await getJson(port, '/worker')).toEqual({ ...plain, nested: plain });
        expect(readFileSync(preload, 'utf8')).not.toBe(foreign);
        const own = path.dirname(path.dirname(preload));
        rmSync(own, { recursive: true });
        const aside = temporaryFolder();
        mkdirSync(path.join(aside, path.basename(path.dirname(preload))));
        symlinkSync(aside, own);
        writeFileSync(preload, foreign);
        expect(await getJson(port, '/worker')).toMatch(/^exit [01]$/);
        expect(existsSync(witness)).toBe(false);
        // The next restart does without that folder.
        await deploy('two', 'three');
        expect(arguments_(program)).toEqual(['--require', expect.stringContaining('/two/node_modules/')]);
      },
    );
  });

test('a temporary folder that cannot be used is no reason not to restart', async () => {
  const name = `endless-${process.geteuid?.()}`;
  const kinds: Record<string, (temporary: string) => void> = {
    'it is not there': (temporary) => rmSync(temporary, { recursive: true }),
    'all may write to our folder': (temporary) => mkdirChmod(path.join(temporary, name), 0o777),
    'our folder is a link': (temporary) => symlinkSync(temporaryFolder(), path.join(temporary, name)),
    'our folder is a file': (temporary) => writeFileSync(path.join(temporary, name), ''),
    'all may rename in it': (temporary) => mkdirChmod(temporary, 0o777),
  };
  await Promise.all(
    Object.entries(kinds).map(async ([kind, spoil]) => {
      const temporary = temporaryFolder();
      spoil(temporary);
      const { program, port, folder } = await deployed(process.execPath, temporary);
      await hup(program);
      await program.waitForPids(1);
      const ofTheRelease = expect.stringContaining(`${folder}/one/node_modules/`);
      expect([kind, ...arguments_(program)]).toEqual([kind, '--require', ofTheRelease]);
      expect(await getJson(port, '/worker')).toMatchObject({ execArgv: [] });
    }),
  );
});

function mkdirChmod(folder: string, mode: number): void {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, mode);
}
