import { constants } from 'node:os';
import { Surroundings } from '../supervisor/surroundings.js';
import { ServiceManager } from '../supervisor/systemd.js';
import { Candidate } from '../takeover/candidate.js';
import type { Listeners } from './listeners.js';
import type { Shared } from './shared.js';

/** What the first use of endless starts. */
export interface InstallContext {
  listeners: Listeners;
  /** The process that has started this one wants it to stop. */
  onStop(): void;
  /** Called just before the servers of a candidate accept. */
  beforeOpening(): void;
  /** The candidate is the newest process now; for `window` milliseconds the old process can roll back. */
  onGo(candidate: Candidate, window: number): void;
}

/** First use: finds out what has started this process, and whether it is a successor. */
export function install(shared: Shared, context: InstallContext): void {
  const { world, version, settings, log, servers, events, olders, abort, phase, pidFile, supervisor } =
    shared;
  const { listeners, onStop, beforeOpening, onGo } = context;
  const surroundings = new Surroundings({
    ...{ world, events, log, supervisor, onStop },
    onTerminalGone: () => void world.signals.emit('SIGHUP', 'SIGHUP', constants.signals.SIGHUP),
  });
  shared.surroundings = surroundings;
  const candidate: Candidate | undefined = Candidate.find({
    ...{ world, version, settings, log, servers, olders },
    searching: () => supervisor?.sockets.late.waiting ?? false,
    beforeOpening,
    cannotListen({ server, errno, deferred }) {
      const fail = () =>
        void server.emit('error', new Error(`listen failed on an inherited socket (errno ${errno})`));
      // Port 0 stands for an address that no worker has under this name.
      if (supervisor && deferred && deferred.asked.port !== 0)
        void supervisor.sockets.overtaken.rescue(server, { ...deferred, fail });
      else fail();
    },
    onGo: (window) => candidate && onGo(candidate, window),
  });
  if (candidate) {
    const { predecessor } = candidate;
    const { handoff } = predecessor;
    begin(shared, candidate);
    shared.parent = { predecessor, older: olders.add(predecessor), rolledBack: false };
    shared.generation = handoff.generation;
    world.debug.generation = handoff.generation;
    listeners.listen();
    predecessor.handlersAreIn();
    surroundings.keep(handoff);
    pidFile.inherit(handoff.pidFile);
  } else surroundings.look();
  shared.serviceManager = ServiceManager.find({
    ...{ world, events, log, signal: abort.signal, fd: surroundings.kept.notify },
    stopping: () => phase.end?.shutdown.reason === 'shutdown' && !shared.parent?.rolledBack,
  });
}

/** A process that stops already does not take over, and does not bind the addresses that it could claim. */
function begin({ phase }: Shared, candidate: Candidate): void {
  const { current } = phase;
  if (current.name === 'draining') {
    phase.enter({ ...current, candidate });
    candidate.refuse();
  } else phase.enter({ name: 'candidate', candidate });
}
