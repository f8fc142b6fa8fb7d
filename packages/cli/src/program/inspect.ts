/**
 * Where the inspector of a process listens: on the given port, also waiting for a debugger if that is asked for;
 * there without waiting; or on any free port, since another process has the given one.
 */
export type Inspector = 'given' | 'again' | 'free';

/** Each option that opens the inspector, with how it waits; or that only names its port; and what follows `=`. */
const OPTION = /^--(?:inspect(-brk|-wait)?|((?:inspect|debug)-port))(?:=(.*))?$/;

/** Options of Node.js for a process whose inspector listens there. Only the first process waits for a debugger. */
export function inspectorAt(inspector: Inspector, options: readonly string[]): string[] {
  if (inspector === 'given') return [...options];
  return options.map((option, at) => {
    if (isPortName(options[at - 1])) return inspector === 'free' ? freePort(option) : option;
    const [found, , port, where] = OPTION.exec(option) ?? [];
    if (found === undefined || isPortName(option)) return option;
    const name = `--${port ?? 'inspect'}`;
    if (inspector === 'free') return `${name}=${freePort(where)}`;
    return where === undefined ? name : `${name}=${where}`;
  });
}

/** The same for the text of `NODE_OPTIONS`. */
export function inspectorIn(inspector: Inspector, text: string): string {
  const [words, gaps] = [text.split(/\s+/), text.match(/\s+/g) ?? []];
  return inspectorAt(inspector, words)
    .map((word, at) => word + (gaps[at] ?? ''))
    .join('');
}

/** Whether a process with these options, and with `NODE_OPTIONS`, waits for a debugger before it runs its program. */
export function waitsForDebugger(options: readonly string[]): boolean {
  return [...options, ...wordsOf(process.env.NODE_OPTIONS)].some(
    (option) => OPTION.exec(option)?.[1] !== undefined,
  );
}

/** The words of `NODE_OPTIONS`. */
export function wordsOf(text = ''): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

/**
 * Closes the inspector of this process if `NODE_OPTIONS` has opened it: that is meant for the program, and
 * worker 0 needs the port.
 */
export function leaveInspector(): void {
  const inspector = process.getBuiltinModule('node:inspector');
  if (!process.execArgv.some((option) => OPTION.test(option)) && inspector?.url()) inspector.close();
}

/** Whether the next argument is the port. */
function isPortName(option: string | undefined): boolean {
  return option === '--inspect-port' || option === '--debug-port';
}

/** Port 0 on the host of an address, if that names one. */
function freePort(where = ''): string {
  return /^\d*$/.test(where) ? '0' : `${where.replace(/:\d+$/, '')}:0`;
}
