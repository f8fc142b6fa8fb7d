import type { Server, Socket } from 'node:net';
import { messageOf } from '../errors.js';
import type { ConnectToSelf, HealthCheck } from '../settings.js';
import type { World } from '../world.js';
import { connectThroughPrivateDoor } from './private-door.js';

/** Three failures in a row count; a single one may come from a part that is still warming up. */
const TRIES = 3;
const BETWEEN_TRIES = 250;

/**
 * Asks the application whether it can serve. Resolves with the reason if it cannot, after three failures in a
 * row. `onFailure` gets the reason of each failure before the third.
 */
export async function askHealth(
  world: World,
  check: HealthCheck,
  servers: () => Server[],
  onFailure: (reason: string) => void = () => {},
): Promise<string | undefined> {
  for (let tries = 1; ; tries += 1) {
    const reason = await askOnce(check, servers);
    if (reason === undefined || tries === TRIES) return reason;
    onFailure(reason);
    // Possibly nothing else keeps a candidate alive during this pause.
    const release = world.stayAlive();
    await new Promise<void>((resolve) => world.after(BETWEEN_TRIES, resolve));
    release();
  }
}

async function askOnce(check: HealthCheck, servers: () => Server[]): Promise<string | undefined> {
  const opened: Socket[] = [];
  const connectToSelf: ConnectToSelf = async (server = servers()[0]) => {
    if (!server) throw new Error('no server of this process listens yet');
    const socket = await connectThroughPrivateDoor(server);
    opened.push(socket);
    return socket;
  };
  try {
    return (await check({ connect: connectToSelf })) === false ? 'it resolved false' : undefined;
  } catch (error) {
    return messageOf(error);
  } finally {
    for (const socket of opened) socket.destroy();
  }
}
