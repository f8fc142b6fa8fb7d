import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeBinaries } from '../testkit/dist/index.js';
import { PACKAGES, ROOT, read, rowsOf } from './markdown.js';
import { play, required, type Session, sessionsOf } from './session.js';

/** How the installed packages are tried: by which package manager, with which end of each peer's range. */
interface Installer {
  name: string;
  /** Which of the alternatives of a range, and which end of that. */
  peers: { of: 'first' | 'last'; end: 'oldest' | 'newest' };
  /** Whether it also has a member with TypeScript programs, and the types of the frameworks in that member alone. */
  typed?: boolean;
  /** Writes what this package manager reads, and says how to call it. */
  prepare(folder: string, wanted: Wanted): string[];
  /** What Node.js needs to find the packages. */
  env?(folder: string): Record<string, string>;
  /** Why a program that requires them cannot run, if it cannot. */
  noRequire?: string;
}

/** Package names with the version, range or file that is wanted of each. */
interface Wanted {
  tarballs: Record<string, string>;
  peers: Record<string, string>;
  types: Record<string, string>;
}

const manifest = (name: string) => JSON.parse(read(`packages/${name}/package.json`));

/** What the bundler makes of core. */
const BUNDLED = /^bundle\/(?:index|adapter|internal|register|core|preload)\.c?js(?:\.map)?$/;

const run = promisify(execFile);
const work = mkdtempSync(path.join(tmpdir(), 'endless-packages-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const tarball = (name: string) => path.join(work, `endless-${name}-${manifest(name).version}.tgz`);
const unpacked = (name: string) => path.join(work, name, 'package');

beforeAll(async () => {
  for (const name of PACKAGES) {
    const cwd = path.join(ROOT, 'packages', name);
    await run('npx', ['-y', 'pnpm@12', 'pack', '--pack-destination', work], { cwd });
    mkdirSync(path.join(work, name));
    await run('tar', ['xzf', tarball(name), '-C', path.join(work, name)]);
  }
}, 60_000);

describe.each(PACKAGES)('the tarball of @endless/%s', (name) => {
  const files = () =>
    readdirSync(unpacked(name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(unpacked(name), path.join(entry.parentPath, entry.name)));

  test('holds its manifest, its README, the licence and what was compiled from its sources, and nothing else', () => {
    const compiled = /\.(?:d\.)?c?[jt]s(?:\.map)?$/;
    for (const file of files()) {
      if (['package.json', 'README.md', 'LICENSE'].includes(file) || BUNDLED.test(file)) continue;
      const source = file.replace(/^dist/, 'src').replace(compiled, '');
      expect(
        ['.ts', '.cts'].some((ending) => existsSync(path.join(ROOT, 'packages', name, source + ending))),
        file,
      ).toBe(true);
      expect(file).not.toMatch(/\.test\./);
    }
    expect(files()).toEqual(
      expect.arrayContaining(['package.json', 'README.md', 'LICENSE', 'dist/index.d.ts', 'src/index.ts']),
    );
  });

  test('has a map for each compiled file, to a source that it holds', () => {
    const compiled = files().filter((file) => /^(?:dist|bundle)\/.*\.c?[jt]s$/.test(file));
    expect(compiled.length).toBeGreaterThan(1);
    for (const file of compiled) {
      const text = readFileSync(path.join(unpacked(name), file), 'utf8');
      const [, map = ''] = /^\/\/# sourceMappingURL=(.+)$/m.exec(text) ?? [];
      const at = path.join(unpacked(name), path.dirname(file));
      const { sources } = JSON.parse(readFileSync(path.join(at, map), 'utf8'));
      expect(sources.length).toBeGreaterThan(0);
      if (!BUNDLED.test(file)) expect(sources).toHaveLength(1);
      for (const source of sources)
        expect(existsSync(path.join(at, source)), `${file}: ${source}`).toBe(true);
    }
  });

  test('is as large as the README says, give or take a tenth', () => {
    const row = rowsOf(read('README.md'), 'Package').find(([cell]) => cell?.includes(`@endless/${name}\``));
    const stated = Number(/^(\d+) kB$/.exec(row?.[2] ?? '')?.[1]) * 1_000;
    const actual = readFileSync(tarball(name)).length;
    expect(Math.abs(actual - stated), `${actual} bytes, stated are ${stated}`).toBeLessThan(
      Math.max(600, actual / 10),
    );
  });
});

const INSTALLERS: Installer[] = [
  {
    name: 'npm',
    peers: { of: 'last', end: 'newest' },
    prepare(folder, { tarballs, peers }) {
      write(folder, 'package.json', { type: 'module', dependencies: { ...tarballs, ...peers } });
      return ['npm', 'install', '--no-audit', '--no-fund', '--strict-peer-deps'];
    },
  },
  {
    name: 'pnpm',
    peers: { of: 'first', end: 'oldest' },
    typed: true,
    prepare(folder, { tarballs, peers, types }) {
      const dependencies = { ...tarballs, ...peers };
      write(folder, 'package.json', { type: 'module', dependencies });
      mkdirSync(path.join(folder, 'typed'));
      write(folder, 'typed/package.json', { type: 'module', dependencies: { ...dependencies, ...types } });
      // The packages name each other by version, which only a registry could resolve.
      write(folder, 'pnpm-workspace.yaml', {
        packages: ['typed'],
        overrides: tarballs,
        strictPeerDependencies: true,
        hoist: false,
      });
      return ['npx', '-y', 'pnpm@12', 'install'];
    },
  },
  {
    name: 'yarn 1',
    peers: { of: 'first', end: 'newest' },
    prepare(folder, { tarballs, peers }) {
      const dependencies = { ...tarballs, ...peers };
      write(folder, 'package.json', { type: 'module', dependencies, resolutions: tarballs });
      // The newest Fastify allows a cookie that wants a newer Node.js than Fastify itself, and yarn 1 takes the newest.
      return ['npx', '-y', 'yarn@1', 'install', '--no-progress', '--non-interactive', '--ignore-engines'];
    },
  },
  {
    name: "yarn 4, with Plug'n'Play",
    peers: { of: 'last', end: 'oldest' },
    prepare(folder, { tarballs, peers }) {
      const dependencies = { ...tarballs, ...peers };
      write(folder, 'package.json', {
        ...{ type: 'module', dependencies, resolutions: tarballs },
        // `endless run` preloads it by `--require`.
        dependenciesMeta: { '@endless/core': { unplugged: true } },
      });
      write(folder, '.yarnrc.yml', { enableTelemetry: false, enableGlobalCache: false });
      writeFileSync(path.join(folder, 'yarn.lock'), '');
      return ['npx', '-y', '@yarnpkg/cli-dist@4', 'install', '--no-immutable'];
    },
    noRequire: 'what a required ES module imports is resolved past the loader of yarn',
    // As `yarn node` sets it.
    env: (folder) => ({
      NODE_OPTIONS: `--require ${folder}/.pnp.cjs --experimental-loader ${folder}/.pnp.loader.mjs`,
    }),
  },
];

const TSC = path.join(ROOT, 'node_modules/typescript/bin/tsc');

/** The strictest options, so that a type that a declaration cannot find is an error, not a silent `any`. */
const COMPILER = { module: 'nodenext', types: ['node'], strict: true, skipLibCheck: false, noEmit: true };

const NAMES: Record<string, string> = Object.fromEntries(PACKAGES.map((name) => [name, `@endless/${name}`]));

function write(folder: string, file: string, content: object): void {
  // YAML reads JSON.
  writeFileSync(path.join(folder, file), JSON.stringify(content, null, 2));
}

/** The frameworks that the packages want beside them, each at this end of its range. */
function peersAt(at: Installer['peers']): Record<string, string> {
  return rangesAt(at, false);
}

/** The types of those that have none of their own, likewise, and those of Node.js. */
function typesAt(at: Installer['peers']): Record<string, string> {
  const [, node = ''] = /^ {2}"@types\/node": (.+)$/m.exec(read('pnpm-workspace.yaml')) ?? [];
  return { ...rangesAt(at, true), '@types/node': node };
}

function rangesAt({ of, end }: Installer['peers'], optional: boolean): Record<string, string> {
  const ranges = PACKAGES.flatMap((name) => {
    const { peerDependencies = {}, peerDependenciesMeta = {} } = manifest(name);
    return Object.entries<string>(peerDependencies).filter(
      ([peer]) => (peerDependenciesMeta[peer]?.optional ?? false) === optional,
    );
  });
  return Object.fromEntries(
    ranges.map(([peer, range]) => {
      const alternatives = range.split(' || ');
      const chosen = alternatives.at(of === 'first' ? 0 : -1) as string;
      expect(chosen).toMatch(/^\^\d+\.\d+\.\d+$/);
      return [peer, end === 'oldest' ? chosen.slice(1) : chosen];
    }),
  );
}

/** Names what has changed when a package was imported, and what when it was used; then ends, unless something holds it. */
const LOOK = `
  import { channel } from 'node:diagnostics_channel';
  import { EventEmitter } from 'node:events';
  import http from 'node:http';
  import https from 'node:https';
  import net from 'node:net';

  // By this a second copy of endless finds the first.
  const ONE_COPY = Symbol.for('endless.lifecycle');
  const CLASSES = [http.Server, https.Server, net.Server, net.Socket, http.ServerResponse, http.IncomingMessage, EventEmitter];
  const look = () => ({
    'a prototype': CLASSES.flatMap(({ prototype }) =>
      Reflect.ownKeys(prototype).flatMap((key) => {
        const { value, get, set } = Object.getOwnPropertyDescriptor(prototype, key);
        return [key, value, get, set];
      })),
    'a listener of the process': process.eventNames().flatMap((name) => [name, ...process.rawListeners(name)]),
    'the environment': Object.entries(process.env).flat(),
    'a global': Reflect.ownKeys(globalThis).filter((key) => key !== ONE_COPY),
    'the listen channel': [channel('tracing:net.server.listen:asyncStart').hasSubscribers],
  });
  const changed = (before, after) =>
    Object.keys(before).filter((key) => before[key].length !== after[key].length || before[key].some((part, at) => !Object.is(part, after[key][at])));

  const before = look();
  await import(process.argv[2]);
  const imported = look();
  const { endless } = await import('@endless/core');
  endless.configure({});
  console.log(JSON.stringify({ imported: changed(before, imported), used: changed(imported, look()) }));
`;

/** The first program of a package's README, which is restarted and stopped as that says. */
function programOf(name: string): Session {
  return sessionsOf(read(`packages/${name}/README.md`))[0] as Session;
}

describe.each(INSTALLERS)(
  'installed by $name into an empty folder',
  ({ name, peers, typed, prepare, env, noRequire }) => {
    const folder = path.join(work, name.replaceAll(/\W+/g, '-'));
    const wanted = peersAt(peers);

    beforeAll(async () => {
      mkdirSync(folder);
      const tarballs = Object.fromEntries(
        PACKAGES.map((each) => [NAMES[each] as string, `file:${tarball(each)}`]),
      );
      const [command = '', ...args] = prepare(folder, { tarballs, peers: wanted, types: typesAt(peers) });
      // Yarn 1 would take a tarball of the same version from its cache.
      const own = { ...process.env, YARN_CACHE_FOLDER: path.join(work, 'yarn-cache') };
      await run(command, args, { cwd: folder, env: own }).catch((error) => {
        throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}`);
      });
    }, 120_000);

    const options = { where: folder, env: env?.(folder) ?? {} };

    test.each(PACKAGES)('@endless/%s: the program of its README, restarted', async (each) => {
      await play(programOf(each), options);
    });

    if (noRequire === undefined)
      test.each(PACKAGES)('@endless/%s: the same by require', async (each) => {
        await play(required(programOf(each)), options);
      });

    if (typed)
      test('the programs of the READMEs compile as TypeScript', async () => {
        const files = [...sessionsOf(read('README.md')), ...PACKAGES.map(programOf)].map(({ source }, at) => {
          writeFileSync(path.join(folder, `typed/${at}.ts`), source);
          return `${at}.ts`;
        });
        write(folder, 'typed/tsconfig.json', { compilerOptions: COMPILER, files });
        const tsc = run(process.execPath, [TSC, '-p', 'typed'], { cwd: folder, timeout: 60_000 });
        expect(await tsc.catch(({ stdout }) => stdout)).toEqual({ stdout: '', stderr: '' });
      });

    if (name === 'npm')
      test.each([...PACKAGES, 'core/internal'])(
        '@endless/%s: importing it has no effect, the first use has',
        async (each) => {
          const file = path.join(folder, 'look.js');
          writeFileSync(file, LOOK);
          const { stdout, stderr } = await run(process.execPath, [file, `@endless/${each}`], {
            timeout: 10_000,
          });
          expect([JSON.parse(stdout), stderr]).toEqual([{ imported: [], used: ['the listen channel'] }, '']);
        },
      );

    if (name === 'npm')
      for (const { version, path: node } of nodeBinaries())
        test(`on Node.js ${version}, as a module and by require`, async () => {
          await play(programOf('express'), { ...options, node });
          await play(required(programOf('express')), { ...options, node });
        });
  },
);

/** Of each framework a version just below its range. */
const TOO_OLD = { express: '4.20.0', fastify: '4.29.1', koa: '2.15.4', ws: '7.5.10' };

test.each(Object.entries(TOO_OLD))('npm refuses %s %s, which is below the range', async (name, version) => {
  const folder = path.join(work, `too-old-${name}`);
  mkdirSync(folder);
  write(folder, 'package.json', {
    dependencies: {
      '@endless/core': `file:${tarball('core')}`,
      [`@endless/${name}`]: `file:${tarball(name)}`,
      [name]: version,
    },
  });
  const refused = run('npm', ['install', '--dry-run', '--strict-peer-deps'], { cwd: folder });
  await expect(refused).rejects.toThrow(new RegExp(`ERESOLVE[\\s\\S]*peer ${name}@`));
});
