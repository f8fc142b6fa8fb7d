/**
 * An option of Node.js as a successor gets it. Its inspector takes any free port, since this process holds
 * the given one. It does not wait for a debugger, since clients would wait too.
 */
export function optionFor(option: string): string {
  const [found, port = '', where = ''] = /^--inspect(?:-brk|-wait|(-port))?(?:=(.*))?$/.exec(option) ?? [];
  if (found === undefined || found === '--inspect-port') return option;
  const host = /^\d*$/.test(where) ? '' : `${where.replace(/:\d+$/, '')}:`;
  return `--inspect${port}=${host}0`;
}
