import { deriveTicketKeys } from '../handoff/tickets.js';
import type { RunSupervisor } from '../supervised/run-supervisor.js';
import type { Shared } from './shared.js';

/** The session tickets of the TLS servers of a worker: clients resume their sessions on any worker. */
export class SessionTickets {
  readonly #shared: Shared;
  /** From this all workers derive their keys. */
  #secret: Buffer | undefined;

  constructor(supervisor: RunSupervisor, shared: Shared) {
    this.#shared = shared;
    supervisor.onTickets = (secret) => {
      this.#secret = secret;
      this.share();
    };
  }

  /** Gives the servers that listen the keys of all workers. A candidate waits for the keys of its predecessor. */
  share(): void {
    const { phase, servers, settings } = this.#shared;
    if (!this.#secret || phase.candidate || !settings.current.tlsTickets) return;
    const listening = servers.all().map(({ server }) => server);
    deriveTicketKeys(listening, this.#secret);
  }
}
