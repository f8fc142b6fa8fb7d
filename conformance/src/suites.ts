import { describe as group, test as register } from 'vitest';

/** Whether this is the long suite, which starts with what the default suite has shown already. */
export const inLongSuite = process.env.LONG_SUITE !== undefined;

/** A group of tests, as `describe` of Vitest; a suite that runs none of them does not have it. */
export function describe(name: string, body: () => void): void {
  const outer = registrations;
  const own: (() => void)[] = [];
  registrations = own;
  body();
  registrations = outer;
  if (own.length > 0)
    add(() =>
      group(name, () => {
        for (const each of own) each();
      }),
    );
}

/** A test of the default suite alone, in a file that has some for the long suite too. */
export const test = testOf(!inLongSuite);

/** A test of the long suite alone, beside those of the default suite. */
export const longTest = testOf(inLongSuite);

/** A test that is made for each row of `testedNodes` or `rowsOf`, of which each suite has its own. */
export const testOfEachSuite = testOf(true);

/** The rows of a table that a suite tests: by default those of `byDefault`, and the long suite the others. */
export function rowsOf<Row>(rows: readonly Row[], byDefault: (row: Row, at: number) => boolean): Row[] {
  return rows.filter((row, at) => byDefault(row, at) !== inLongSuite);
}

/** What the group around has registered so far; outside of any nothing is put off. */
let registrations: (() => void)[] | undefined;

function add(registration: () => void): void {
  if (registrations) registrations.push(registration);
  else registration();
}

type Test = Pick<typeof register, 'each'> & {
  (...args: Parameters<typeof register>): void;
  (name: string, body: () => unknown, timeout?: number): void;
};

function testOf(wanted: boolean): Test {
  const later = (registration: () => void) => {
    if (wanted) add(registration);
  };
  const each =
    (...table: unknown[]) =>
    (...args: unknown[]) =>
      later(() => (register.each as Registrar)(...table)(...args));
  return Object.assign((...args: unknown[]) => later(() => (register as Registrar)(...args)), {
    each,
  }) as unknown as Test;
}

// biome-ignore lint/suspicious/noExplicitAny: Vitest has a dozen forms of each.
type Registrar = (...args: any[]) => any;
