import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { privateServers } from '../listen/private-servers.js';

/**
 * Opens a connection that this server serves, through a listener that accepts no other connection. It uses
 * TCP, as clients do. Without a loopback interface it uses a unix socket in a folder of endless's own.
 */
export async function connectThroughPrivateDoor(server: Server): Promise<Socket> {
  try {
    return await throughTcp(server);
  } catch (error) {
    if (process.platform === 'win32') throw error;
    return await throughUnix(server).catch(() => {
      throw error;
    });
  }
}

async function throughTcp(server: Server): Promise<Socket> {
  const door = await opened((listener) => listener.listen(0, '127.0.0.1'));
  const { port } = door.address() as { port: number };
  const client = connect(port, '127.0.0.1');
  return passed(door, client, (accepted) => accepted.remotePort === client.localPort, server);
}

async function throughUnix(server: Server): Promise<Socket> {
  // Only this user has access to the folder.
  const folder = mkdtempSync(path.join(tmpdir(), 'endless-'));
  try {
    const file = path.join(folder, 's');
    const door = await opened((listener) => listener.listen(file));
    return await passed(door, connect(file), () => true, server);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function opened(listen: (door: Server) => void): Promise<Server> {
  const door = createServer();
  privateServers.add(door);
  listen(door);
  await once(door, 'listening');
  return door;
}

/** Resolves with the client when the server serves it; closes the door in any case. */
function passed(
  door: Server,
  client: Socket,
  isOurs: (accepted: Socket) => boolean,
  server: Server,
): Promise<Socket> {
  return new Promise<Socket>((resolve, reject) => {
    const fail = (error: Error) => {
      door.close();
      reject(error);
    };
    client.once('error', fail);
    door.once('error', fail);
    const served = new Promise<void>((letIn) => {
      door.on('connection', (accepted) => {
        const decide = () => {
          if (!isOurs(accepted)) return void accepted.destroy();
          door.close();
          server.emit('connection', accepted);
          letIn();
        };
        if (client.connecting) client.once('connect', decide);
        else decide();
      });
    });
    client.once('connect', () => void served.then(() => resolve(client)));
  });
}
