/**
 * An option of Node.js for a process beside the one that has the given inspector port: it takes any free port.
 * It does not wait for a debugger, since clients would wait too.
 */
export function besideInspector(option: string): string {
  const [found, port = '', where = ''] = /^--inspect(?:-brk|-wait|(-port))?(?:=(.*))?$/.exec(option) ?? [];
  if (found === undefined || found === '--inspect-port') return option;
  const host = /^\d*$/.test(where) ? '' : `${where.replace(/:\d+$/, '')}:`;
  return `--inspect${port}=${host}0`;
}
