/** Each option that opens the inspector or names its port, and what follows `=`. */
const OPTION = /^--(?:inspect(?:-brk|-wait)?|((?:inspect|debug)-port))(?:=(.*))?$/;

/**
 * Options of Node.js as a successor gets them. Its inspector takes any free port, since this process holds
 * the given one. It does not wait for a debugger, since clients would wait too.
 */
export function optionsFor(options: readonly string[]): string[] {
  return options.map((option, at) => {
    if (isPortName(options[at - 1])) return freePort(option);
    const [found, port = 'inspect', where = ''] = OPTION.exec(option) ?? [];
    return found === undefined || isPortName(option) ? option : `--${port}=${freePort(where)}`;
  });
}

/** The same for the text of `NODE_OPTIONS`. Node.js splits it at spaces alone, and reads quotes. */
export function nodeOptionsFor(text: string): string {
  const [words, gaps] = [text.split(/ +/), text.match(/ +/g) ?? []];
  return optionsFor(words)
    .map((word, at) => word + (gaps[at] ?? ''))
    .join('');
}

/** Whether the next argument is the port. */
function isPortName(option: string | undefined): boolean {
  return option === '--inspect-port' || option === '--debug-port';
}

/** Port 0 on the host of an address, if that names one. */
function freePort(where: string): string {
  return /^\d*$/.test(where) ? '0' : `${where.replace(/:\d+$/, '')}:0`;
}
