import net from 'node:net';

/** Finds a free port on 127.0.0.1, a different one each time. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = await boundPort();
    if (!given.has(port)) {
      given.add(port);
      return port;
    }
  }
  throw new Error('`freePort` got no new port in 50 attempts.');
}

const given = new Set<number>();

function boundPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address && typeof address === 'object') resolve(address.port);
        else reject(new Error('A TCP server without a port.'));
      });
    });
  });
}
