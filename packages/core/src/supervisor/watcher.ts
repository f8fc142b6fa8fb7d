import type { World } from '../world.js';
import type { Ancestor } from './ancestors.js';
import { knowsPidFile, unitName } from './units.js';

/**
 * Programs that start a command again when it exits, or then stop everything else. They know only the process
 * that they have started.
 */
const WATCHERS =
  /^(supervisord|runsv|s6-supervise|supervise|supervise-daemon?|circusd|perpd|immortal|forever|foreman|honcho|hivemind|overmind)$/;

/** A program that watches the first process of a chain. */
export interface Watcher {
  /** Its name, for messages. */
  name: string;
  /** Whether it finds the newest process by the file that `pidFile` writes. */
  followsPidFile(): boolean;
}

/** The program that watches this process, which was just started, and would not know its successor. */
export function watcherOf(world: World, above: readonly Ancestor[], canNotify: boolean): Watcher | undefined {
  const last = above.at(-1);
  const watcher = last && nameOf(last);
  if (watcher !== undefined) return { name: `${watcher} (pid ${last?.pid})`, followsPidFile: () => false };
  const { MONIT_SERVICE } = world.env;
  if (MONIT_SERVICE !== undefined)
    return { name: `Monit (service ${MONIT_SERVICE})`, followsPidFile: () => true };
  if (canNotify || !isMainOfUnit(world, above)) return undefined;
  return { name: `systemd (${unitName() ?? 'a service'})`, followsPidFile: () => knowsPidFile(world.env) };
}

function nameOf({ names, script, words }: Ancestor): string | undefined {
  if (script !== undefined && /forever[/\\]bin[/\\]monitor$/.test(script)) return 'forever';
  if (/[/\\]tsx[/\\]dist[/\\]cli\.[cm]js$/.test(words[1] ?? '') && words[2] === 'watch') return 'tsx watch';
  return names.map((name) => WATCHERS.exec(name)?.[0]).find(Boolean);
}

/** Whether systemd takes the exit of this process, or of a mere wrapper of it, for the end of the service. */
function isMainOfUnit({ env, pid }: World, above: readonly Ancestor[]): boolean {
  const { INVOCATION_ID, SYSTEMD_EXEC_PID } = env;
  if (INVOCATION_ID === undefined) return false;
  const main = Number(SYSTEMD_EXEC_PID);
  if (SYSTEMD_EXEC_PID !== undefined)
    return main === pid || above.some((ancestor) => ancestor.wraps && ancestor.pid === main);
  // Before systemd 248, only the control group tells a service apart from a session.
  return above.at(-1)?.names[0] === 'systemd' && unitName() !== undefined;
}
