/** Every code an {@link EndlessError} can carry; `docs/errors.md` says when each happens and what to do. */
export type EndlessErrorCode =
  | 'ERR_ENDLESS_ADDRESS_UNCLAIMED'
  | 'ERR_ENDLESS_INVALID_ADDRESS'
  | 'ERR_ENDLESS_INVALID_APP'
  | 'ERR_ENDLESS_INVALID_OPTION'
  | 'ERR_ENDLESS_NOT_READY'
  | 'ERR_ENDLESS_PID_1'
  | 'ERR_ENDLESS_PROTOCOL'
  | 'ERR_ENDLESS_RESTART_IN_PROGRESS'
  | 'ERR_ENDLESS_SHUTTING_DOWN'
  | 'ERR_ENDLESS_SPAWN_FAILED'
  | 'ERR_ENDLESS_START_TIMEOUT'
  | 'ERR_ENDLESS_SUCCESSOR_EXITED'
  | 'ERR_ENDLESS_SUPERVISED'
  | 'ERR_ENDLESS_TWO_COPIES'
  | 'ERR_ENDLESS_UNHEALTHY'
  | 'ERR_ENDLESS_UNIX_PATH'
  | 'ERR_ENDLESS_UNKNOWN_SIGNAL'
  | 'ERR_ENDLESS_UNSUPPORTED';

/** Details of a failed successor. */
export interface SuccessorEnd {
  /** Process id of the successor, if one was started. */
  pid?: number;
  /** Its exit status, or null when a signal ended it. */
  exitCode?: number | null;
  /** The signal that ended it, or null. */
  signal?: NodeJS.Signals | null;
  /** The last 8 KiB of what it wrote to stderr. */
  stderr?: string;
}

/** The only error class of endless: a closed list of codes, and details of a failed successor. */
export class EndlessError extends Error implements SuccessorEnd {
  override readonly name = 'EndlessError';
  readonly code: EndlessErrorCode;
  readonly pid?: number;
  readonly exitCode?: number | null;
  readonly signal?: NodeJS.Signals | null;
  readonly stderr?: string;

  constructor(code: EndlessErrorCode, message: string, details: SuccessorEnd & { cause?: unknown } = {}) {
    const { cause, ...end } = details;
    const tail = end.stderr?.trim();
    super(
      tail ? `${message}\nIts stderr ended with:\n${tail}` : message,
      cause === undefined ? undefined : { cause },
    );
    this.code = code;
    Object.assign(this, end);
  }
}

/** The error for an invalid value: it names the setting, shows the value and says which values are valid. */
export function invalidOption(name: string, value: unknown, expected: string): EndlessError {
  return new EndlessError(
    'ERR_ENDLESS_INVALID_OPTION',
    `\`${name}\` must be ${expected}; received ${show(value)}.`,
  );
}

/** Formats a value for an error message. */
export function show(value: unknown): string {
  if (typeof value === 'function') return `a function${value.name ? ` (${value.name})` : ''}`;
  if (typeof value === 'bigint' || typeof value === 'symbol' || value === undefined) return String(value);
  if (typeof value === 'number') return String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/** The message of a thrown error, or the text of another thrown value. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : show(thrown);
}
