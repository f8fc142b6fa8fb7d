import net from 'node:net';

const REQUEST = 'GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n';

/** Has so many requests answered, each on a connection of its own; resolves with the milliseconds that it took. */
export async function askOnNewConnections(port: number, requests: number, clients: number): Promise<number> {
  let left = requests;
  const began = performance.now();
  const client = async () => {
    while (left-- > 0) await askOnce(port);
  };
  await Promise.all(Array.from({ length: clients }, client));
  return performance.now() - began;
}

function askOnce(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true }, () => socket.write(REQUEST));
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.once('error', reject);
    // The server closes the connection behind a whole answer.
    socket.once('end', () => {
      if (answer.startsWith('HTTP/1.1 200 OK') && answer.endsWith('hello')) resolve();
      else reject(new Error(`Not the expected answer: ${answer.slice(0, 300)}`));
    });
  });
}
