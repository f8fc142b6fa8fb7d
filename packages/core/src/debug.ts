/** What writes a line, and whether anybody reads it. */
export interface DebugLog {
  (text: string): void;
  readonly enabled: boolean;
}

/** The longest text of a message that is shown. */
const LONGEST_TEXT = 60;
/** How many members of a list are shown. */
const MOST_SHOWN = 4;

/** What `NODE_DEBUG=endless` shows: each message between two processes and each change of the phase. */
export class Debug {
  /** The generation of this process, which begins each line. */
  generation = 0;
  readonly #log: DebugLog;

  constructor(log: DebugLog) {
    this.#log = log;
  }

  /** The phase of this process changes. */
  phase(from: string, to: string): void {
    if (this.#log.enabled && from !== to) this.#log(`generation ${this.generation}: ${from} -> ${to}`);
  }

  /** Something came that has no effect in this phase. */
  ignored(what: string, phase: string): void {
    if (this.#log.enabled) this.#log(`generation ${this.generation}: ${what} ignored while ${phase}`);
  }

  /** A message goes to a peer or has come from it; `handle`: whether a handle goes with it. */
  message(way: 'to' | 'from', peer: string, message: object, handle: boolean): void {
    // What a candidate writes to stderr is there already.
    if (!this.#log.enabled || ('type' in message && message.type === 'stderr')) return;
    this.#log(
      `generation ${this.generation}, ${way} ${peer}: ${shortForm(message)}${handle ? ' +handle' : ''}`,
    );
  }
}

/** A message in one line, without values that are secret or long: ticket keys, environment variables, data of sockets. */
export function shortForm(message: object): string {
  // A message with a handle is padded to fill whole reads.
  const { type, pad, ...fields } = message as { type: string; pad?: string };
  return [type, ...Object.entries(fields).map(([name, value]) => `${name}=${shown(value)}`)].join(' ');
}

function shown(value: unknown): string {
  if (typeof value === 'string')
    return value.length > LONGEST_TEXT
      ? `${JSON.stringify(value.slice(0, LONGEST_TEXT))}...`
      : JSON.stringify(value);
  if (Array.isArray(value)) {
    if (value.some((each) => typeof each === 'object')) return `[${value.length}]`;
    const more = value.length > MOST_SHOWN ? `, and ${value.length - MOST_SHOWN} more` : '';
    return `[${value.slice(0, MOST_SHOWN).join(', ')}${more}]`;
  }
  if (typeof value === 'object' && value !== null) return `{${Object.keys(value).length}}`;
  return String(value);
}
