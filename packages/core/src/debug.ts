/** Writes a line; `enabled` is whether lines are shown at all. */
export interface DebugLog {
  (text: string): void;
  readonly enabled: boolean;
}

/** The most characters of a text that are shown. */
const LONGEST_TEXT = 60;
/** The most members of a list that are shown. */
const MOST_SHOWN = 4;

/** Writes the lines of `NODE_DEBUG=endless`: messages between two processes and changes of the phase. */
export class Debug {
  /** The generation of this process; each line begins with it. */
  generation = 0;
  readonly #log: DebugLog;

  constructor(log: DebugLog) {
    this.#log = log;
  }

  /** Shows a change of the phase. */
  phase(from: string, to: string): void {
    if (this.#log.enabled && from !== to) this.#log(`generation ${this.generation}: ${from} -> ${to}`);
  }

  /** Shows an event that has no effect in this phase. */
  ignored(what: string, phase: string): void {
    if (this.#log.enabled) this.#log(`generation ${this.generation}: ${what} ignored while ${phase}`);
  }

  /** Shows a message to or from a peer; `handle` is whether a handle goes with it. */
  message(way: 'to' | 'from', peer: string, message: object, handle: boolean): void {
    // The stderr of a candidate is shown already.
    if (!this.#log.enabled || ('type' in message && message.type === 'stderr')) return;
    this.#log(
      `generation ${this.generation}, ${way} ${peer}: ${shortForm(message)}${handle ? ' +handle' : ''}`,
    );
  }
}

/** A message as one line, without secret or long values: ticket keys, environment variables, socket data. */
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
