import { describe as group, test as register } from 'vitest';

/** Whether this is the long suite, which leaves out what the default suite has shown. */
export const inLongSuite = process.env.LONG_SUITE !== undefined;

/** A test of the default suite, in a file that has tests for the long suite too. */
export const test = testIf(!inLongSuite);

/** A test of the long suite, beside those of the default suite. */
export const longTest = testIf(inLongSuite);

/** A test of one row of `testedNodes` or `rowsOf`: each suite has rows of its own. */
export const rowTest = testIf(true);

/** The rows that this suite tests: the default suite those that `byDefault` picks, and the long suite the others. */
export function rowsOf<Row>(rows: readonly Row[], byDefault: (row: Row, at: number) => boolean): Row[] {
  return rows.filter((row, at) => byDefault(row, at) !== inLongSuite);
}

/** Groups tests as `describe` of Vitest does, and leaves a group out of which this suite has no test. */
export const describe = Object.assign(describeSome, {
  each: group.each.bind(group),
  skipIf: (skip: unknown) => (skip ? later(group.skipIf(true)) : describeSome),
}) as unknown as typeof group;

/** What the tests of the group around are to do once it is known not to be empty. */
let registrations: (() => void)[] | undefined;

function describeSome(name: string, body: () => void): void {
  const outer = registrations;
  const own: (() => void)[] = [];
  registrations = own;
  body();
  registrations = outer;
  if (own.length > 0)
    later(group)(name, () => {
      for (const registration of own) registration();
    });
}

// biome-ignore lint/suspicious/noExplicitAny: Vitest has a dozen forms of each.
type Registrar = (...args: any[]) => any;

/** Calls a function of Vitest now, or inside of a group once that begins. */
function later(call: Registrar): Registrar {
  return (...args) => {
    const registration = () => void call(...args);
    if (registrations) registrations.push(registration);
    else registration();
  };
}

function testIf(wanted: boolean): typeof register {
  const kept = (call: Registrar): Registrar => (wanted ? later(call) : () => {});
  return Object.assign(kept(register), {
    each: (...rows: unknown[]) => kept((register.each as Registrar)(...rows)),
    for: (rows: unknown[]) => kept((register.for as Registrar)(rows)),
    skipIf: (skip: unknown) => kept(register.skipIf(skip)),
  }) as unknown as typeof register;
}
