/**
 * An option of Node.js as a successor gets it. Its inspector takes a port of its own, since this process holds the one that was
 * named, and it waits for no debugger, for which clients would wait too.
 */
export function optionFor(option: string): string {
  const [found, port = '', where = ''] = /^--inspect(?:-brk|-wait|(-port))?(?:=(.*))?$/.exec(option) ?? [];
  if (found === undefined || found === '--inspect-port') return option;
  const host = /^\d*$/.test(where) ? '' : `${where.replace(/:\d+$/, '')}:`;
  return `--inspect${port}=${host}0`;
}
