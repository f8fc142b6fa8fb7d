import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { freePort, startLoad, startProgram } from '../testkit/dist/index.js';
import { blocksOf, ROOT, read } from './markdown.js';

const run = promisify(execFile);
const unshare = ['--pid', '--fork', '--kill-child', '--mount-proc'];
const canUnshare = spawnSync('unshare', [...unshare, 'true']).status === 0;

test.skipIf(!canUnshare)(
  'an empty folder with an Express app: two commands of docs/tutorial.md, and 2 workers restart under load as pid 1',
  async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'endless-empty-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const tarballs = path.join(folder, 'tarballs');
    mkdirSync(tarballs);
    for (const name of ['core', 'express', 'cli'])
      await run('npx', ['-y', 'pnpm@12', 'pack', '--pack-destination', tarballs], {
        cwd: path.join(ROOT, 'packages', name),
      });
    const app = path.join(folder, 'app');
    mkdirSync(app);
    const port = await freePort();
    const source = blocksOf(read('README.md')).find(({ language }) => language === 'js')?.text ?? '';
    writeFileSync(path.join(app, 'server.js'), source.replace('9090', String(port)));
    writeFileSync(path.join(app, 'package.json'), '{"type":"module"}');

    const dockerfile = blocksOf(read('docs/tutorial.md')).find(({ language }) => language === 'dockerfile');
    const [, install = ''] = /^RUN (.+)$/m.exec(dockerfile?.text ?? '') ?? [];
    const [, start = ''] = /^CMD (.+)$/m.exec(dockerfile?.text ?? '') ?? [];
    // The packages are not on the registry.
    const here = install.replaceAll(/@endless\/(\w+)/g, `${tarballs}/endless-$1-0.1.0.tgz`);
    await run('sh', ['-c', `${here} ${tarballs}/endless-core-0.1.0.tgz --no-audit --no-fund`], { cwd: app });

    const [command = '', ...args] = JSON.parse(start) as string[];
    const program = startProgram(unshare[0] as string, {
      ...{ node: 'unshare', cwd: app, maxProcesses: 12 },
      args: [...unshare.slice(1), command, ...args],
    });
    onTestFinished(() => program.stop());
    await program.waitFor(/is ready \(2 of 2\)/, { timeout: 30_000 });
    const endless = (...words: string[]) => run(command, words, { cwd: app });
    const loads = [
      startLoad({ port, connections: 20, mode: 'keep-alive', thinkTime: () => 5 }),
      startLoad({ port, connections: 2, mode: 'new-connection', thinkTime: () => 5 }),
    ];
    for (let restart = 1; restart <= 3; restart += 1)
      expect((await endless('restart')).stdout).toMatch(
        /^worker 0 is now pid \d+ \(1 of 2\)\nworker 1 .*\n$/,
      );
    const reports = await Promise.all(loads.map((load) => load.stop()));
    expect(reports.map(({ lost }) => lost)).toEqual([[], []]);
    expect(reports[0]).toMatchObject({ opened: 20, idleClosed: 0, toldToClose: 0 });
    expect((await endless('status')).stdout).toContain('2 of 2 workers ready');
    await endless('stop');
    expect(await program.exited).toEqual({ code: 0, signal: null });
  },
);
