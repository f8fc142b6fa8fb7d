/** A descriptor that systemd has opened, and the name that its unit gives it. */
export interface PassedDescriptor {
  fd: number;
  name: string;
}

/** The first descriptor by systemd's rules. */
const FIRST = 3;
/** More than any unit opens: a higher count is invalid. */
const MOST = 1_024;

/**
 * Reads which descriptors systemd has opened, and removes those variables from the environment, so that no child
 * uses them. Undefined if they are missing, or meant for another process; a text says what is wrong with them.
 */
export function takePassedDescriptors(
  env: NodeJS.ProcessEnv,
  pid: number,
): PassedDescriptor[] | string | undefined {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = env;
  if (LISTEN_PID === undefined || LISTEN_PID !== String(pid)) return undefined;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  const count = Number(LISTEN_FDS);
  if (!Number.isInteger(count) || count < 0 || count > MOST) return `LISTEN_FDS is ${LISTEN_FDS}`;
  const names = LISTEN_FDNAMES?.split(':') ?? [];
  return Array.from({ length: count }, (_, at) => ({ fd: FIRST + at, name: names[at] ?? 'unknown' }));
}
