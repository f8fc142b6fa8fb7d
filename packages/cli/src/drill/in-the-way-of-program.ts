import { counted, milliseconds, seconds } from './format.js';
import type { Seen } from './seen.js';

/** A start that takes longer than this is named. */
const LONG_START = 2_000;
/** A server that listens so long after the first one is named. */
const LATE_LISTENER = 500;
/** A first response that takes longer than this is named, if it also takes ten times as long as usual. */
const SLOW_RESPONSE = 200;

type SeenAs<Type extends Seen['type']> = Extract<Seen, { type: Type }>;

/** What in the program was in the way of a restart or a stop, by what its processes have shown. */
export function inTheWayOfProgram(seen: readonly Seen[], usualMs: number): string[] {
  return [...exits(seen), ...listeners(seen), ...starts(seen), ...firstResponses(seen, usualMs)];
}

function exits(seen: readonly Seen[]): string[] {
  const cutting = of(seen, 'exit').filter(({ inFlight }) => inFlight > 0);
  return places(cutting).map(([where, exits]) => {
    const cut = counted(
      exits.reduce((all, { inFlight }) => all + inFlight, 0),
      'request',
    );
    return `${where ? `process.exit at ${where}` : 'an exit'} cut ${cut} in flight, in ${exits.length} of the processes.`;
  });
}

function listeners(seen: readonly Seen[]): string[] {
  const ending = of(seen, 'listener').filter(({ signal, calls }) => signal === 'SIGTERM' && calls.length > 0);
  return places(ending).map(([where, [first]]) => {
    const does = first?.calls.map((call) => (call === 'exit' ? 'exits' : 'closes')).join(' and ');
    return `The SIGTERM listener at ${where} ${does}: it must wait until every response is written.`;
  });
}

function starts(seen: readonly Seen[]): string[] {
  const found: string[] = [];
  const processes = [...new Set(of(seen, 'listening').map(({ pid }) => pid))].map((pid) =>
    of(seen, 'listening').filter((each) => each.pid === pid),
  );
  const firsts = processes.map(([first]) => first?.afterMs ?? 0);
  const longest = Math.max(0, ...firsts);
  if (longest > LONG_START)
    found.push(`A process was not ready for ${seconds(longest)} after its start: it did not listen before.`);
  const late = processes.flatMap(([first, ...others]) =>
    others
      .map(({ name, afterMs }) => ({ name, after: first?.name, ms: afterMs - (first?.afterMs ?? 0) }))
      .filter(({ ms }) => ms > LATE_LISTENER),
  );
  const [latest] = late.sort((one, other) => other.ms - one.ms);
  if (latest)
    found.push(`The listener of ${latest.name} came ${seconds(latest.ms)} after that of ${latest.after}.`);
  return found;
}

function firstResponses(seen: readonly Seen[], usualMs: number): string[] {
  const slowest = Math.max(0, ...of(seen, 'first-response').map(({ tookMs }) => tookMs));
  if (slowest < SLOW_RESPONSE || slowest < 10 * usualMs) return [];
  return [
    `The first response of a process took ${milliseconds(slowest)} (usually ${milliseconds(usualMs)}): what it does once can be done before it listens.`,
  ];
}

function of<Type extends Seen['type']>(seen: readonly Seen[], type: Type): SeenAs<Type>[] {
  return seen.filter((each): each is SeenAs<Type> => each.type === type);
}

/** The same place of the program once, with all that was seen there. */
function places<Each extends { where?: string }>(all: readonly Each[]): [string | undefined, Each[]][] {
  const found = new Map<string | undefined, Each[]>();
  for (const each of all) found.set(each.where, [...(found.get(each.where) ?? []), each]);
  return [...found];
}
