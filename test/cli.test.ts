import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { commandLine } from '../packages/cli/dist/arguments/command-line.js';
import { isEndlessCommand } from '../packages/core/dist/supervisor/endless-command.js';
import { code, read, rowsOf } from './markdown.js';

const page = read('packages/cli/README.md');
const fromPm2 = read('docs/from-pm2.md');
const drill = read('docs/drill.md');
const source = (file: string) => read(`packages/cli/src/${file}`);

/** The commands of endless, each with its flags as its help shows them. */
const COMMANDS = new Map(
  commandLine(() => {}).commands.map((command) => [
    command.name(),
    command.options.map(({ flags, defaultValueDescription }) => ({
      // As it is typed.
      flags: flags.replace(' [', '['),
      preset: defaultValueDescription,
    })),
  ]),
);

/** Every code span of a text, without the tables' escapes. */
function spansOf(text: string): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span);
}

describe("the command line's README names every", () => {
  test('command', () => {
    const named = rowsOf(page, 'Command').map(([name]) => code(name).split(' ')[1]);
    expect([...new Set(named)].sort()).toEqual([...COMMANDS.keys()].sort());
  });

  test('flag of `endless run`, with its default', () => {
    const rows = rowsOf(page, 'Flag of `endless run`').map(([flag, preset]) => [code(flag), preset]);
    const flags = COMMANDS.get('run') ?? [];
    expect(rows.map(([flag]) => flag)).toEqual(flags.map(({ flags: flag }) => flag));
    for (const [at, { preset = '' }] of flags.entries()) expect(rows[at]?.[1]).toContain(preset);
  });

  test('flag of the other commands', () => {
    const rows = rowsOf(page, 'Flag').flatMap(([flag, of = '']) =>
      spansOf(of).map((name) => `${name} ${code(flag)}`),
    );
    const flags = [...COMMANDS].flatMap(([name, list]) =>
      name === 'run' || name === 'drill' ? [] : list.map(({ flags: flag }) => `${name} ${flag}`),
    );
    expect(rows.sort()).toEqual(flags.sort());
  });

  test('command with its exit codes, and no code that there is not', () => {
    const named = rowsOf(page, 'Exit code of').map(([name]) => code(name));
    expect(named.sort()).toEqual([...COMMANDS.keys()].sort());
    const codes = [...source('exit-codes.ts').matchAll(/^ {2}\w+: (\d),$/gm)].map(([, each]) => each);
    const [, titles = ''] = /^\| Exit code of \|(.*)\|$/m.exec(page) ?? [];
    expect([...titles.matchAll(/\d/g), '2'].map(String).sort()).toEqual(codes.sort());
  });

  test('signal', () => {
    const [, actions = ''] =
      /const actions[^{]*\{\n([\s\S]*?)\n {2}\};/.exec(source('supervisor/signals.ts')) ?? [];
    const handled = [...actions.matchAll(/^ +(SIG\w+)[:(]/gm)].map(([, name]) => name);
    expect(
      rowsOf(page, 'Signal')
        .map(([name]) => code(name))
        .sort(),
    ).toEqual(handled.sort());
  });

  test('field of the status, and no other', () => {
    const table = rowsOf(page, 'Field').flat().join(' ');
    const [declared = ''] = source('control/status.ts').split('/** The state of a supervisor');
    const fields = [...declared.matchAll(/\b(\w+): /g)].map(([, name]) => name as string);
    expect(fields.length).toBeGreaterThan(20);
    expect([...new Set(fields)].filter((name) => !spansOf(table).includes(name))).toEqual([]);
    const named = rowsOf(page, 'Field').flatMap(([cell = '']) => spansOf(cell));
    const [, own = ''] = /^export interface Status \{\n([\s\S]*?)^\}/m.exec(declared) ?? [];
    expect(named.sort()).toEqual([...own.matchAll(/^ {2}(\w+): /gm)].map(([, name]) => name).sort());
  });
});

test('docs/drill.md names every flag of `endless drill`, with its default', () => {
  const rows = rowsOf(drill, 'Flag of `endless drill`').map(([flag, preset]) => [code(flag), preset]);
  const flags = COMMANDS.get('drill') ?? [];
  expect(rows.map(([flag]) => flag)).toEqual(flags.map(({ flags: flag }) => flag));
  for (const [at, { preset = '' }] of flags.entries()) expect(rows[at]?.[1]).toContain(preset);
});

test('core takes each file of the command line that a process runs for a command of endless', () => {
  const { bin } = JSON.parse(read('packages/cli/package.json')) as { bin: Record<string, string> };
  const files = [...Object.values(bin), 'dist/drill/run-child.js'];
  const isCommand = (file: string) =>
    isEndlessCommand(fileURLToPath(new URL(`../packages/cli/${file}`, import.meta.url)));
  expect(files.filter((file) => !isCommand(file))).toEqual([]);
  expect(isCommand('dist/main.js')).toBe(false);
});

describe('docs/from-pm2.md', () => {
  const spans = new Set(spansOf(fromPm2));

  test('maps every command of PM2, or says why it is left out', () => {
    const commands = [
      ...read('bench/node_modules/pm2/lib/binaries/CLI.js').matchAll(/^commander\.command\('([\w:]+)/gm),
    ].map(([, name]) => name as string);
    expect(commands.length).toBeGreaterThan(50);
    expect([...new Set(commands)].filter((name) => !spans.has(name))).toEqual([]);
  });

  test('maps every setting of PM2, or says why it is left out', () => {
    const settings = JSON.parse(read('bench/node_modules/pm2/lib/API/schema.json'));
    const names = Object.keys(settings).filter((name) => !name.startsWith('^'));
    expect(names.length).toBeGreaterThan(50);
    expect(names.filter((name) => !spans.has(name))).toEqual([]);
  });

  test('names only commands and flags of endless that there are', () => {
    const flagsOf = (name: string) => (COMMANDS.get(name) ?? []).map(({ flags }) => flags.split(/[ []/)[0]);
    const wrong = [...spans].flatMap((span) => {
      const [, name = '', rest = ''] = /^(?:.* )?endless ([a-z]+)(.*)$/.exec(span) ?? [];
      if (name === '') return [];
      const [own = ''] = rest.split(/ -- | server\.js/);
      const flags = own.match(/--[\w-]+/g) ?? [];
      return COMMANDS.has(name) && flags.every((flag) => flagsOf(name).includes(flag)) ? [] : [span];
    });
    expect(wrong).toEqual([]);
    const loose = [...spans].flatMap((span) => /^--[\w-]+/.exec(span) ?? []);
    const known = [...COMMANDS.keys()].flatMap(flagsOf);
    expect(loose.filter((flag) => !known.includes(flag))).toEqual([]);
  });
});
