import type { Server, Socket } from 'node:net';
import { messageOf } from '../errors.js';
import type { ConnectToSelf, HealthCheck } from '../settings.js';
import type { World } from '../world.js';
import { connectThroughPrivateDoor } from './private-door.js';

/** Three failures in a row are an answer; one may be a hiccup of something that is still warming up. */
const TRIES = 3;
const BETWEEN_TRIES = 250;

/**
 * Asks the application whether it can serve; resolves with the reason if it cannot, after three failures in a row.
 * `onFailure` is called after the others.
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
    // As long as it lasts, nothing else may keep a candidate alive.
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
