import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, maxHeaderSize } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { writeResults } from '../bench/dist/report.js';
import { VERSION as CLI_VERSION } from '../packages/cli/dist/version.js';
import { CHANNEL_NAMES, EVENT_NAMES } from '../packages/core/dist/events.js';
import { endless } from '../packages/core/dist/index.js';
import { DEFAULTS } from '../packages/core/dist/settings.js';
import { DEFAULT_ACTIONS } from '../packages/core/dist/signals/signals.js';
import { VERSION } from '../packages/core/dist/version.js';
import { anchorsOf, blocksOf, code, PACKAGES, ROOT, read, rowsOf } from './markdown.js';
import { isSupervised, play, sessionsOf } from './session.js';

const ADAPTERS = ['express', 'koa', 'fastify'];
const READMES = ['README.md', ...PACKAGES.map((name) => `packages/${name}/README.md`)];
const DECISIONS = readdirSync(path.join(ROOT, 'docs/decisions')).map((file) => `docs/decisions/${file}`);
const DOCS = readdirSync(path.join(ROOT, 'docs'))
  .filter((file) => file.endsWith('.md'))
  .map((file) => `docs/${file}`);
const EXAMPLES = ['', 'docker/', 'haproxy/', 'kubernetes/', 'systemd/'].map(
  (folder) => `examples/${folder}README.md`,
);
const BENCH = ['bench/README.md', 'bench/notes/slow-start.md', 'docs/charts/results.md'];
const OTHERS = ['CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...BENCH, ...EXAMPLES];
const PAGES = [...READMES, ...OTHERS, ...DOCS, ...DECISIONS];

const readme = read('README.md');
const core = read('packages/core/README.md');
const architecture = read('docs/architecture.md');
const logging = read('docs/logging.md');
const scripts = Object.keys(JSON.parse(read('package.json')).scripts);

/** The source files of a package, without their tests. */
const sourcesOf = (name: string) =>
  (readdirSync(path.join(ROOT, 'packages', name, 'src'), { recursive: true }) as string[]).filter(
    (file) => /\.c?ts$/.test(file) && !file.endsWith('.test.ts'),
  );
const SOURCES = sourcesOf('core');
const source = (file: string) => read(`packages/core/src/${file}`);

/** What a method of endless is called with, where it takes something. */
const ARGUMENTS: Record<string, string> = {
  listen: '() => {}, 0',
  configure: '{}',
  hook: "'pre', 'SIGHUP', () => {}",
  beforeBegin: '() => {}',
  keepConnections: "new (await import('node:net')).Server()",
  protocol: "'lines', { save() {}, restore() {}, end() {} }",
  on: "'ready', () => {}",
};

/** Whether a program that calls this method, and nothing else, has each server that begins to listen looked after. */
async function installs(method: string): Promise<boolean> {
  const program = `
    import { channel } from 'node:diagnostics_channel';
    import { endless } from '${new URL('../packages/core/dist/index.js', import.meta.url)}';
    try { endless.${method}(${ARGUMENTS[method] ?? ''}); } catch {}
    process.stdout.write(String(channel('tracing:net.server.listen:asyncStart').hasSubscribers));
    process.exit();
  `;
  const args = ['--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 10_000 });
  return stdout === 'true';
}

/** The members of an interface in a source file, each with its comment. */
function membersOf(file: string, name: string): Map<string, string> {
  const body =
    new RegExp(`^export interface ${name} \\{\\n([\\s\\S]*?)^\\}`, 'm').exec(source(file))?.[1] ?? '';
  const members = body.matchAll(/\/\*\*([\s\S]*?)\*\/\s*(?:readonly )?(\w+)\??[:(]/g);
  return new Map([...members].map(([, text = '', member = '']) => [member, text.replaceAll(/[\s*]+/g, ' ')]));
}

// `readmes.long.test.ts` has the others.
describe('the first program of', () => {
  for (const page of READMES)
    for (const session of sessionsOf(read(page))
      .slice(0, 1)
      .filter((each) => !isSupervised(each)))
      test(`${page}, line ${session.line}: start, ask, restart, ask, stop`, () => play(session));
});

describe('docs/comparison.md', () => {
  test.each([
    ['Restarted by', 'losses', ['restarted by', 'lost', 'connections opened']],
    [
      'Stopped by',
      'shutdown',
      ['server', 'POSTs cut', 'POSTs refused', 'slow requests lost', 'time to exit s'],
    ],
  ])('shows the figures of the benchmark as they were measured: %s', (heading, benchmark, shown) => {
    const { tables } = JSON.parse(read(`docs/charts/${benchmark}.json`)) as {
      tables: { titles: string[]; rows: string[][] }[];
    };
    const { titles, rows } = tables[0] as { titles: string[]; rows: string[][] };
    const columns = shown.map((title) => titles.indexOf(title));
    const measured = rows.map((row) => columns.map((column) => row[column]));
    expect(rowsOf(read('docs/comparison.md'), heading)).toEqual(measured);
  });
});

test('a package brings the core and nothing else, but for a plugin maker, and what the command line needs', () => {
  const named: Record<string, string[]> = {
    core: [],
    fastify: ['@endless/core', 'fastify-plugin'],
    cli: ['@endless/core', 'cli-table3', 'commander', 'ws'],
  };
  for (const name of PACKAGES) {
    const { dependencies = {} } = JSON.parse(read(`packages/${name}/package.json`));
    expect(Object.keys(dependencies), name).toEqual(named[name] ?? ['@endless/core']);
  }
});

describe('README.md', () => {
  test('has at most 150 lines, and its first program within 40', () => {
    expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(150);
    expect(blocksOf(readme)[0]?.line).toBeLessThanOrEqual(40);
  });

  test('has the two set-up commands, and the lines that are used by', () => {
    const lines = blocksOf(readme).flatMap(({ text }) => text.split('\n'));
    for (const line of ['npx -y pnpm@12 demo', 'npx -y pnpm@12 test']) expect(lines).toContain(line);
    for (const line of [
      'app.register(endlessPlugin);',
      'app.use(endless());',
      'await endless.listen(app, 9090);',
      'node --require @endless/core/register server.js &',
    ])
      expect(lines).toContain(line);
  });
});

test('docs/charts/results.md says what the benchmarks beside it have found, each, and nothing else', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'endless-results-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const files = readdirSync(path.join(ROOT, 'docs/charts')).filter((file) => file.endsWith('.json'));
  for (const file of files) copyFileSync(path.join(ROOT, 'docs/charts', file), path.join(folder, file));

  const results = read('docs/charts/results.md');
  const named = [...results.matchAll(/^## (\w+)$/gm)].map(([, name]) => name as string);
  expect(named.map((name) => `${name}.json`).sort()).toEqual(files.sort());
  expect(results).toBe(readFileSync(writeResults(folder, named), 'utf8'));
});

test('the adapters have the same sections in the same order', () => {
  const [first, ...others] = ADAPTERS.map((name) => anchorsOf(read(`packages/${name}/README.md`)).slice(1));
  for (const other of others) expect(other).toEqual(first);
});

describe("core's README names every", () => {
  test('public name', () => {
    const names = rowsOf(core, 'Name').map(([name]) => /^endless\.(\w+)/.exec(code(name))?.[1]);
    expect(names.sort()).toEqual(Object.keys(endless).sort());
  });

  test('first use, after which servers are looked after', async () => {
    const [, listed = ''] = /From its first use on\s\(([^)]*)\)/.exec(core) ?? [];
    const names = [...listed.matchAll(/`(\w+)`/g)].map(([, name]) => name);
    const methods = Object.keys(endless).filter((name) => {
      const { value } = Object.getOwnPropertyDescriptor(endless, name) as PropertyDescriptor;
      return typeof value === 'function';
    });
    const found: string[] = [];
    // One after the other: a dozen processes at once make each other late.
    for (const name of methods) if (await installs(name)) found.push(name);
    expect(names.sort()).toEqual(found.sort());
  });

  test('count', () => {
    const row = rowsOf(core, 'Name')
      .find(([name]) => code(name) === 'endless.stats()')
      ?.join();
    for (const count of Object.keys(endless.stats())) expect(row).toContain(`\`${count}\``);
  });

  test('setting, with its default', () => {
    const rows = new Map(rowsOf(core, 'Setting').map(([name, cell]) => [code(name), cell as string]));
    const settings = membersOf('settings.ts', 'Settings');
    expect([...rows.keys()].sort()).toEqual([...settings.keys()].sort());
    for (const [name, cell] of rows) {
      const value = DEFAULTS[name as keyof typeof DEFAULTS];
      if (name === 'signals') continue;
      if (value === undefined || typeof value === 'object') expect(settings.get(name)).toContain(cell);
      else expect(cell).toBe(`\`${typeof value === 'string' ? `'${value}'` : value}\``);
    }
    expect(rows.get('readTimeout')).toContain(createServer().requestTimeout);
    expect(rows.get('maxHeaderBytes')).toContain(maxHeaderSize);
  });

  test('setting that does nothing as reserved, and no other', () => {
    const text = SOURCES.filter((file) => file !== 'settings.ts')
      .map((file) => source(file).replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ''))
      .join('\n');
    for (const [name, , , meaning] of rowsOf(core, 'Setting')) {
      const used = new RegExp(`\\b${code(name)}\\b`).test(text);
      expect([code(name), meaning === 'reserved: does nothing yet']).toEqual([code(name), !used]);
    }
  });

  test('listen option', () => {
    const options = rowsOf(core, 'Option').map(([name]) => code(name));
    expect(options.sort()).toEqual([...membersOf('listen/create-server.ts', 'ListenOptions').keys()].sort());
  });

  test('signal, with what it does by default', () => {
    const signals = rowsOf(core, 'Signal').map(([name, action]) => [code(name), code(action)]);
    const actions = Object.entries(DEFAULT_ACTIONS);
    expect(signals).toEqual(
      actions.map(([name, action]) => [name, action === false ? 'false' : `'${action}'`]),
    );
  });

  test('event, with its diagnostics channel', () => {
    const rows = rowsOf(core, 'Event').map(([name, channel]) => [code(name), code(channel)]);
    expect(rows).toEqual(EVENT_NAMES.map((name, at) => [name, CHANNEL_NAMES[at]]));
  });
});

describe('docs/logging.md names every', () => {
  test('log line as it is written', () => {
    const written = SOURCES.map(source).join('\n').replaceAll('\\`', '`');
    for (const { pieces } of lines)
      for (const piece of pieces) if (piece.trim() !== '') expect(written).toContain(piece);
  });

  test('log line that is written, with its level', () => {
    const calls = SOURCES.flatMap((file) => [
      ...source(file).matchAll(/\.(info|warn|error)\(\s*(['`])((?:\\.|(?!\2)[^\\])*)\2/g),
    ]);
    expect(calls.length).toBeGreaterThan(0);
    const named = lines.map(({ level, pieces }) => ({
      level,
      pattern: new RegExp(
        `^${pieces.map((piece) => piece.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('\\S+')}$`,
      ),
    }));
    const unnamed = calls
      .map(([, level, , text = '']) => ({
        level,
        // What is put in, is one word here.
        line: text.replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, '...').replaceAll('\\`', '`'),
      }))
      .filter(({ level, line }) => !named.some((row) => row.level === level && row.pattern.test(line)));
    expect(unnamed).toEqual([]);
  });

  /** The lines of the two tables, each cut where something is put in. */
  const lines = rowsOf(logging, 'Level').flatMap(([level, cell = '']) =>
    [...cell.matchAll(/(`+)(.+?)\1/g)]
      .map(([, , line = '']) => line)
      .filter((line) => line !== 'EndlessError')
      .map((line) => ({ level, pieces: line.split(/<[^>]*>|SIG(?:HUP|TERM)(?=\.)/) })),
  );
});

describe('the error codes are those of the source', () => {
  const codes = [...source('errors.ts').matchAll(/^ {2}\| '(ERR_ENDLESS_\w+)'/gm)].map(([, name]) => name);

  test('in docs/errors.md', () => {
    expect(codes.length).toBeGreaterThan(0);
    expect(rowsOf(read('docs/errors.md'), 'Code').map(([name]) => code(name))).toEqual(codes);
  });

  test('wherever else one is named', () => {
    for (const page of PAGES)
      for (const [name] of read(page).matchAll(/ERR_ENDLESS_\w+/g)) expect(codes).toContain(name);
  });
});

describe('docs/architecture.md', () => {
  const named = [...architecture.matchAll(/`([\w.@-]+(?:\/[\w.@-]+)*\/?)`/g)]
    .map(([, name]) => name as string)
    .filter((name) => name.includes('/') || /\.c?ts$/.test(name));

  test('names every source file of core, and of the command line', () => {
    const [ofCore, ofCli] = architecture
      .split(/^## `endless run`$/m)
      .map((part) => part.match(/`[\w./-]+`/g));
    const missing = (name: string, listed: string[] | null | undefined) =>
      sourcesOf(name).filter((file) => file !== 'index.ts' && !listed?.includes(`\`${file}\``));
    expect([missing('core', ofCore), missing('cli', ofCli)]).toEqual([[], []]);
  });

  test('names nothing that is not there', () => {
    const missing = named.filter((name) => !SOURCES.includes(name) && !isThere(name));
    expect(missing).toEqual([]);
  });

  test('names every folder of the workspace', () => {
    const members = [...read('pnpm-workspace.yaml').matchAll(/^ {2}- ([\w/*-]+)$/gm)].flatMap(([, member]) =>
      member === 'packages/*'
        ? PACKAGES.filter((name) => name !== 'core').map((name) => `packages/${name}`)
        : [member?.replace('/*', '')],
    );
    expect(members.length).toBeGreaterThan(3);
    for (const member of members) expect(named).toContain(`${member}/`);
  });

  test('shows each message of the protocol on its way to the process that takes it', () => {
    const shown = diagramsOf('sequenceDiagram').flatMap(messagesIn);
    for (const to of ['ToSuccessor', 'ToPredecessor']) {
      const names = new Set(shown.filter((message) => message.to === to).map(({ name }) => name));
      expect(names.size).toBeGreaterThan(10);
      expect([...names].sort()).toEqual(protocolOf(to).sort());
    }
  });

  test('shows the messages of a restart in the order of its transcript', () => {
    const transcript = read('packages/core/test/simulation/transcripts/restart.txt');
    const sent = [...transcript.matchAll(/^ +\d+ \w+ -> (old|new): (\S+)/gm)].map(([, to, name]) => ({
      name,
      to: to === 'new' ? 'ToSuccessor' : 'ToPredecessor',
    }));
    expect(sent.length).toBeGreaterThan(10);
    const [restart = ''] = diagramsOf('sequenceDiagram');
    let next = 0;
    const inOrder = messagesIn(restart).filter(({ name, to }) => {
      const isNext = name === sent[next]?.name && to === sent[next]?.to;
      if (isNext) next += 1;
      return isNext;
    });
    expect(inOrder).toEqual(sent);
  });

  test('shows each phase of a process, and which may follow it', () => {
    const [, table = ''] = /^const NEXT\b[^{]*\{\n([\s\S]*?)^\}/m.exec(source('lifecycle/phase.ts')) ?? [];
    const allowed = [...table.matchAll(/^ {2}(\w+): \[(.*)\],$/gm)].flatMap(([, from, phases = '']) =>
      [...phases.matchAll(/\w+/g)].filter(([to]) => to !== from).map(([to]) => `${from} --> ${to}`),
    );
    const shown = diagramsOf('stateDiagram-v2').flatMap((diagram) => diagram.match(/\b\w+ --> \w+/g) ?? []);
    expect(allowed.length).toBeGreaterThan(5);
    expect(shown.sort()).toEqual(allowed.sort());
  });

  /** The diagrams of one kind, in order. */
  function diagramsOf(kind: string): string[] {
    return blocksOf(architecture)
      .filter(({ language, text }) => language === 'mermaid' && text.startsWith(`${kind}\n`))
      .map(({ text }) => text);
  }

  /** The messages in a sequence diagram, in order. Its participants begin with the oldest process. */
  function messagesIn(diagram: string): { name: string; to: string }[] {
    const ages = [...diagram.matchAll(/^ *participant (\w+)/gm)].map(([, name]) => name);
    return [...diagram.matchAll(/^ *(\w+)->>(\w+): ([^(\n]+)/gm)].flatMap(([, from, to, names = '']) => {
      const isYounger = ages.indexOf(to) > ages.indexOf(from);
      return names
        .trim()
        .split(', ')
        .map((name) => ({ name, to: isYounger ? 'ToSuccessor' : 'ToPredecessor' }));
    });
  }

  /** The names of the messages in a type of the protocol. */
  function protocolOf(type: string): string[] {
    const protocol = source('handoff/protocol.ts');
    const [, body = ''] =
      new RegExp(`^export type ${type} =\\n([\\s\\S]*?)(?:^export |(?![\\s\\S]))`, 'm').exec(protocol) ?? [];
    const interfaces = [...body.matchAll(/^ {2}\| (\w+)$/gm)].map(
      ([, name]) =>
        new RegExp(`^export interface ${name} \\{\\n {2}(type: '[\\w-]+')`, 'm').exec(protocol)?.[1],
    );
    return [...`${body}${interfaces}`.matchAll(/\btype: '([\w-]+)'/g)].map(([, name]) => name as string);
  }

  function isThere(name: string): boolean {
    for (const base of ['', 'packages/core/src', 'packages/cli/src']) {
      const file = path.join(ROOT, base, name);
      if (existsSync(file)) return statSync(file).isDirectory() === name.endsWith('/');
    }
    return false;
  }
});

describe('every decision', () => {
  test.each(DECISIONS)('%s has the decision, why, and what undoing it breaks, in 80 lines', (page) => {
    const headings = anchorsOf(read(page));
    for (const heading of ['decided', 'why', 'what-undoing-it-breaks']) expect(headings).toContain(heading);
    expect(read(page).trimEnd().split('\n').length).toBeLessThanOrEqual(80);
  });
});

describe('every page', () => {
  test.each(PAGES)('%s links to what is there', (page) => {
    for (const [, target = ''] of read(page).matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      const [file, anchor] = target.split('#');
      const linked = file ? path.join(path.dirname(page), file) : page;
      expect(existsSync(path.join(ROOT, linked)), target).toBe(true);
      if (anchor) expect(anchorsOf(read(linked)), target).toContain(anchor);
    }
  });

  test.each(PAGES)('%s names only commands that there are', (page) => {
    for (const [, name] of read(page).matchAll(/(?:`|^)(?:npx -y )?pnpm(?:@12)? ([\w:]+)/gm))
      if (name !== 'exec' && name !== 'install') expect(scripts).toContain(name);
  });
});

test('there is one version: in the code, in every package, in what is installed, and first in the changelog', () => {
  for (const name of PACKAGES)
    expect(JSON.parse(read(`packages/${name}/package.json`)).version, name).toBe(VERSION);
  expect(CLI_VERSION).toBe(VERSION);
  const tarballs = [...readme.matchAll(/tarballs\/(\S+)\.tgz/g)].map(([, name]) => name);
  expect(tarballs).toEqual(['core', 'express', 'cli'].map((name) => `endless-${name}-${VERSION}`));
  expect(/^## (\S+)/m.exec(read('CHANGELOG.md'))?.[1]).toBe(VERSION);
});

test('there is one range of Node.js versions: in every package, and on every page that names one', () => {
  for (const folder of ['', ...PACKAGES.map((name) => `packages/${name}/`)])
    expect(JSON.parse(read(`${folder}package.json`)).engines.node, folder).toBe('^20.19.0 || >=22.12.0');
  for (const page of [...READMES, 'CONTRIBUTING.md'])
    expect(read(page).replaceAll('\n', ' '), page).toMatch(/Node\.js \(?20\.19, or 22\.12 and later\b/);
});

test('`pnpm check` runs what CI runs', () => {
  const inCi = read('.ci/run').matchAll(/^(?:check|tests) \w+ npx -y pnpm@12 ([\w:]+)$/gm);
  const { check } = JSON.parse(read('package.json')).scripts;
  expect(check.split(' && ')).toEqual([...inCi].map(([, script]) => `pnpm ${script}`));
});
