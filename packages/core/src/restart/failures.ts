import { EndlessError, type SuccessorEnd } from '../errors.js';
import { PROTOCOL, type ToPredecessor } from '../handoff/protocol.js';
import type { ResolvedSettings } from '../settings.js';

/** When a successor fails: before it accepts, or while this process can still roll back. */
export type During = 'start' | 'window';

const WHEN: Record<During, string> = { start: 'before it was ready', window: 'within the rollback window' };

/** The successor has exited. */
export function exited(during: During, end: SuccessorEnd): EndlessError {
  const how = end.signal ? `was ended by ${end.signal}` : `exited with status ${end.exitCode}`;
  return new EndlessError(
    'ERR_ENDLESS_SUCCESSOR_EXITED',
    `The successor (pid ${end.pid}) ${how} ${WHEN[during]}.`,
    end,
  );
}

/** The successor has begun to stop by itself: by `endless.shutdown()`, or a listener of the application. */
export function stopped(end: SuccessorEnd): EndlessError {
  return new EndlessError(
    'ERR_ENDLESS_SUCCESSOR_EXITED',
    `The successor (pid ${end.pid}) shut itself down before it was ready.`,
    end,
  );
}

/** The successor has closed its channel: it may run, but no message reaches it or comes from it. */
export function unheard(during: During, end: SuccessorEnd): EndlessError {
  return new EndlessError(
    'ERR_ENDLESS_SUCCESSOR_EXITED',
    `The successor (pid ${end.pid}) closed its channel ${WHEN[during]}.`,
    end,
  );
}

/** The successor reports that its `healthCheck` failed. */
export function unhealthy(during: During, end: SuccessorEnd, reason: string): EndlessError {
  const when = during === 'window' ? ` ${WHEN.window}` : '';
  return new EndlessError(
    'ERR_ENDLESS_UNHEALTHY',
    `The successor (pid ${end.pid}) failed its \`healthCheck\`${when}: ${reason}.`,
    end,
  );
}

/** The successor uses another version of the protocol. */
export function foreign(hello: Extract<ToPredecessor, { type: 'hello' }>, end: SuccessorEnd): EndlessError {
  return new EndlessError(
    'ERR_ENDLESS_PROTOCOL',
    `The successor runs @endless/core ${hello.version}, which speaks handoff protocol ${hello.protocol}; this process speaks ${PROTOCOL}. Stop it and start it again once.`,
    end,
  );
}

/** How far a successor had come when its time was up. */
export interface Progress {
  /** Whether `go` was sent to it. */
  told: boolean;
  /** Whether it listened on an inherited address. */
  claimed: boolean;
  /** Whether it inherits any address. */
  inherits: boolean;
}

/** The successor took too long. */
export function late(
  { told, claimed, inherits }: Progress,
  { ready, startTimeout }: Pick<ResolvedSettings, 'ready' | 'startTimeout'>,
  end: SuccessorEnd,
): EndlessError {
  if (told)
    return new EndlessError(
      'ERR_ENDLESS_START_TIMEOUT',
      `The successor (pid ${end.pid}) was ready, but did not accept connections within \`startTimeout\` (${startTimeout} ms).`,
      end,
    );
  if (ready === 'auto' && inherits && !claimed)
    return new EndlessError(
      'ERR_ENDLESS_ADDRESS_UNCLAIMED',
      `The successor (pid ${end.pid}) listened on none of the inherited addresses within \`startTimeout\` (${startTimeout} ms). Listen on one of them, or call \`endless.ready()\` if that is meant.`,
      end,
    );
  return new EndlessError(
    'ERR_ENDLESS_START_TIMEOUT',
    `The successor (pid ${end.pid}) was not ready within \`startTimeout\` (${startTimeout} ms).`,
    end,
  );
}
