import { EndlessError } from '../errors.js';
import type { ResolvedSettings } from '../settings.js';
import { whyUnsupported } from '../supervisor/refusal.js';
import type { Surroundings } from '../supervisor/surroundings.js';
import type { World } from '../world.js';

/** The reasons not to restart that hold for a while only. */
const PASSING: readonly string[] = [
  'ERR_ENDLESS_NOT_READY',
  'ERR_ENDLESS_RESTART_IN_PROGRESS',
  'ERR_ENDLESS_SHUTTING_DOWN',
];

/** What decides whether a process can be replaced. */
export interface RestartFacts {
  readonly world: World;
  readonly surroundings: Surroundings | undefined;
  readonly settings: ResolvedSettings;
  /** The pid of the newest process, if that is another one. */
  readonly newest: number | undefined;
  /** Whether a successor serves already, or this process drains. */
  readonly ending: boolean;
  /** Whether this process does not accept yet. */
  readonly starting: boolean;
  /** Whether a restart is under way. */
  readonly underWay: boolean;
}

/** Why this process cannot be replaced now; undefined if it can be. */
export function whyNotRestart(facts: RestartFacts): EndlessError | undefined {
  const { world, surroundings, settings } = facts;
  const unsupported = whyUnsupported(world, surroundings, settings);
  if (unsupported) return unsupported;
  if (facts.ending) return shuttingDown(facts.newest);
  const ends = surroundings?.endsContainer;
  if (ends && !settings.allowOrphaning)
    return new EndlessError(
      'ERR_ENDLESS_PID_1',
      `A restart would end this process, and ${ends}. Start the program by \`endless run\`, which stays, or restart the container instead. Set \`allowOrphaning\` if that is meant.`,
    );
  if (facts.starting)
    return new EndlessError(
      'ERR_ENDLESS_NOT_READY',
      'This process is not ready yet. Wait until a server listens: a program that restarts while it starts never gets ready.',
    );
  if (facts.underWay)
    return new EndlessError(
      'ERR_ENDLESS_RESTART_IN_PROGRESS',
      'A restart is under way already. Wait for it, or send SIGHUP, which is remembered.',
    );
  return undefined;
}

/** Whether a process that is refused for this reason can be replaced at another moment. */
export function passes(refusal: EndlessError): boolean {
  return PASSING.includes(refusal.code);
}

/** A process that drains or has a successor is not replaced. */
export function shuttingDown(newest: number | undefined): EndlessError {
  return new EndlessError(
    'ERR_ENDLESS_SHUTTING_DOWN',
    newest !== undefined
      ? `This process is not the newest: pid ${newest} has taken over. Restart that one.`
      : 'This process is shutting down and does not restart.',
  );
}

/** The predecessor has not committed its restart in time, so this process cannot begin its own. */
export function predecessorTooSlow(startTimeout: number): EndlessError {
  return new EndlessError(
    'ERR_ENDLESS_START_TIMEOUT',
    `The old process did not commit its own restart within its rollback window and \`startTimeout\` (${startTimeout} ms).`,
  );
}
