import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { until } from '../conformance/dist/index.js';
import { freePort, get, type Program, startProgram } from '../testkit/dist/index.js';
import { blocksOf, ROOT, read } from './markdown.js';

const [laptop = '', server = ''] = read('docs/tutorial.md').split(/^(?=## 7\. )/m);
const version = Number(
  /\d+/.exec(spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[0],
);

describe('docs/tutorial.md', () => {
  test('shows what the commands of steps 1 to 6 write', async () => {
    const port = await freePort();
    const reader = new Reader(port, folderWithPackages());
    for (const block of blocksOf(laptop)) await reader.follow(block);
    expect(reader.commands).toBeGreaterThan(10);
    expect(reader.shell.output).not.toMatch(/warning/i);
  });

  test('deploys with the script of step 8', async () => {
    const port = await freePort();
    const root = folderWithPackages();
    const at = (text: string) => text.replaceAll('9090', String(port)).replaceAll('/srv/app', root);
    const [before = '', after = ''] = blocksOf(laptop).flatMap(({ language, text }) =>
      language === 'js' && text.includes('endless') ? [text, text.replace('Hello', 'Good morning')] : [],
    );
    const script = blocksOf(server).find(({ text }) => text.startsWith('set -e'))?.text ?? '';
    const write = (name: string, text: string) => writeFileSync(path.join(root, name), at(text));
    // `systemctl reload` of such a unit sends this signal.
    mkdirSync(path.join(root, 'bin'));
    write('bin/systemctl', '#!/bin/sh\nkill -HUP $(cat /srv/app/server.pid)\n');
    chmodSync(path.join(root, 'bin/systemctl'), 0o755);
    write('package.json', '{"type":"module"}');
    write('deploy.sh', script);
    write('server.js', before);
    mkdirSync(path.join(root, 'releases/1'), { recursive: true });
    symlinkSync(path.join(root, 'releases/1'), path.join(root, 'current'));
    for (const name of ['package.json', 'server.js', 'node_modules'])
      spawnSync('cp', ['-r', path.join(root, name), path.join(root, 'releases/1')]);
    const app = startProgram(path.join(root, 'current/server.js'), { cwd: root });
    onTestFinished(() => app.stop());
    await app.waitFor(/serving on/);
    expect((await get({ port })).body).toMatch(/^Hello from process \d+, generation 0\n$/);

    write('server.js', after);
    const env = { ...process.env, PATH: `${root}/bin:${process.env.PATH}` };
    expect(spawnSync('sh', ['deploy.sh', '2'], { cwd: root, env, encoding: 'utf8' }).stderr).toBe('');
    await app.waitFor(/generation 1, has taken over/);
    expect((await get({ port })).body).toMatch(/^Good morning from process \d+, generation 1\n$/);
  });

  test('has a unit of the lines of examples/systemd, and systemd finds nothing wrong with it', () => {
    const unit = blocksOf(server).find(({ language }) => language === 'ini')?.text ?? '';
    const known = read('examples/systemd/endless.service').split('\n');
    const lines = unit.split('\n').filter((line) => !line.startsWith('Description='));
    expect(lines.filter((line) => !known.includes(line))).toEqual([]);
    // .ci/run installs systemd, so this is left out only on a machine of a contributor.
    if (!version) return;
    const folder = mkdtempSync(path.join(tmpdir(), 'endless-tutorial-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = path.join(folder, 'app.service');
    const older = unit.replace('notify-reload', 'notify').replace(/^OpenFile=.*$/m, '');
    writeFileSync(file, (version >= 253 ? unit : older).replace('/usr/bin/node', process.execPath));
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], {
      encoding: 'utf8',
    });
    expect([status, stderr.split('\n').filter((line) => line.includes('app.service'))]).toEqual([0, []]);
  });
});

/** What a reader is told to install. */
const INSTALLED = ['npm install express @endless/express', 'npm install @endless/cli'];

/** A folder in which the two packages of the tutorial are installed. */
function folderWithPackages(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'endless-tutorial-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(path.join(folder, 'node_modules/@endless'), { recursive: true });
  const express = path.join(ROOT, 'packages/express');
  symlinkSync(express, path.join(folder, 'node_modules/@endless/express'));
  symlinkSync(path.join(express, 'node_modules/express'), path.join(folder, 'node_modules/express'));
  return folder;
}

/** Does what a reader of the tutorial does, and sees what the page shows. */
class Reader {
  readonly shell: Program;
  commands = 0;
  readonly #port: number;
  readonly #folder: string;
  /** The pids of the page, and what they are here. */
  readonly #pids = new Map<string, string>();
  /** How much of the log stood there before the last commands. */
  #logged = 0;

  constructor(port: number, folder: string) {
    this.#port = port;
    this.#folder = folder;
    const env = { LC_ALL: 'C', PATH: `${path.dirname(process.execPath)}:${process.env.PATH}` };
    this.shell = startProgram('-s', { node: 'sh', stdin: 'pipe', cwd: folder, env });
    onTestFinished(() => this.shell.stop());
    const bin = path.join(ROOT, 'packages/cli/dist/bin.js');
    this.shell.child.stdin?.write(`npx() { shift; node ${bin} "$@"; }\n`);
  }

  async follow({ language, text }: { language: string; text: string }): Promise<void> {
    if (language === 'json') this.#write('package.json', text);
    else if (language === 'js') this.#write('server.js', text);
    else if (language === 'console') {
      this.#logged = this.shell.stderr.length;
      for (const [, command = '', shown = ''] of text.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm))
        await this.#type(command, shown);
    } else if (language === 'text')
      for (const line of text.trim().split('\n')) {
        const match = await this.shell.waitFor(this.#pattern(line), { from: 'stderr', after: this.#logged });
        this.#learn(line, match);
      }
    // What is installed here is linked.
    else if (language === 'sh') expect(INSTALLED).toContain(text.trim());
    // empty-folder.long.test.ts runs it.
    else expect(language).toBe('dockerfile');
  }

  async #type(command: string, shown: string): Promise<void> {
    this.commands += 1;
    const here = command.replaceAll('9090', String(this.#port));
    // A reader types later than this: what a command ends has ended by then.
    if (shown.startsWith('cat: ')) await until(() => this.shell.pids().length === 1, 10_000);
    const mark = `@@${this.commands}@@`;
    const after = this.shell.stdout.length;
    const line = here.endsWith('&') ? here : `{ ${here}; } 2>&1`;
    this.shell.child.stdin?.write(`${line}\necho ${mark}\n`);
    await this.shell.waitFor(mark, { from: 'stdout', after });
    const written = this.shell.stdout.slice(after, this.shell.stdout.indexOf(mark, after));
    if (here.endsWith('&')) await until(() => this.#answers(), 10_000);
    if (here.startsWith('npx endless run ')) await this.shell.waitFor(/is ready \((\d+) of \1\)/);
    const match = new RegExp(`^${this.#pattern(shown).source}$`).exec(written);
    expect(match, `${command} wrote ${written}, the page shows ${shown}`).not.toBeNull();
    this.#learn(shown, match as RegExpMatchArray);
    if (/^(kill \$!|npx endless stop)/.test(command))
      await until(() => this.shell.pids().length === 1, 10_000);
  }

  #write(name: string, text: string): void {
    writeFileSync(path.join(this.#folder, name), text.replaceAll('9090', String(this.#port)));
  }

  async #answers(): Promise<boolean> {
    return get({ host: 'localhost', port: this.#port }).then(
      () => true,
      () => false,
    );
  }

  /** What the page shows, with the time, the port and the pids of this run. */
  #pattern(shown: string): RegExp {
    const parts = shown.split(/(\d{4}-\d\d-\d\dT[\d:.]+Z|\b\d{4}\b)/);
    const source = parts.map((part, at) => {
      if (at % 2 === 0) return part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
      if (part.includes('T')) return '\\S+';
      if (part === '9090') return String(this.#port);
      return this.#pids.get(part) ?? '(\\d+)';
    });
    return new RegExp(source.join(''));
  }

  #learn(shown: string, match: RegExpMatchArray): void {
    const unknown = [...shown.matchAll(/(?<![\d-])\b\d{4}\b(?!-)/g)]
      .map(([pid]) => pid)
      .filter((pid) => pid !== '9090' && !this.#pids.has(pid));
    unknown.forEach((pid, at) => {
      this.#pids.set(pid, match[at + 1] as string);
    });
  }
}
