import http from 'node:http';
import net from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { LoadOptions, LoadReport } from './load-types.js';
import { startLoad } from './strict-client.js';

const servers: (net.Server | http.Server)[] = [];
const sockets = new Set<net.Socket>();

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

test('a connection that is reset in the middle of a response is a loss', async () => {
  const port = await serve((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
      setTimeout(() => socket.resetAndDestroy(), 10);
    });
  });
  const report = await load({ port, maxRequests: 3 });
  expect(reasons(report)).toEqual(['reset', 'reset', 'reset']);
  expect(report.lost[0]).toMatchObject({ detail: 'ECONNRESET', received: 44, answeredBefore: 0 });
});

test('a connection that is ended in the middle of a response is a loss', async () => {
  const port = await serve((socket) => {
    socket.once('data', () =>
      socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'),
    );
  });
  expect(reasons(await load({ port, maxRequests: 2 }))).toEqual(['ended', 'ended']);
});

test('a connection that is closed right after it was accepted is a loss', async () => {
  const port = await serve((socket) => socket.destroy());
  const report = await load({ port, maxRequests: 3 });
  expect(report).toMatchObject({ requests: 3, answered: 0, lostCount: 3 });
});

test('a kept-alive connection that is closed instead of answering the next request is a loss', async () => {
  const port = await serve((socket) => {
    socket.once('data', () => {
      socket.write(OK);
      socket.once('data', () => socket.end());
    });
  });
  const report = await load({ port, maxRequests: 4 });
  expect(report).toMatchObject({ answered: 2, opened: 2, idleClosed: 0 });
  expect(reasons(report)).toEqual(['ended', 'ended']);
  expect(report.lost[0]).toMatchObject({ answeredBefore: 1, lastLabel: 'unknown' });
});

test('a request written at the moment the server closes the connection is a loss', async () => {
  const port = await serve((socket) => socket.once('data', () => socket.end(OK)));
  expect(reasons(await load({ port, maxRequests: 4 }))).toEqual(['ended', 'ended']);
});

test('a refused connection is a loss', async () => {
  const port = await serve(() => {});
  await new Promise((resolve) => servers.pop()?.close(resolve));
  expect(reasons(await load({ port, maxRequests: 2 }))).toEqual(['refused', 'refused']);
});

test('a server error is a loss', async () => {
  const port = await serveHttp((_request, response) => response.writeHead(500).end('sorry'));
  const report = await load({ port, maxRequests: 2 });
  expect(reasons(report)).toEqual(['5xx', '5xx']);
  expect(report.opened).toBe(2);
  expect([...report.lostBy]).toEqual([['5xx', 2]]);
});

test('a request without an answer is a loss at its timeout', async () => {
  const port = await serve((socket) => socket.resume());
  const startedAt = performance.now();
  const report = await load({ port, connections: 3, maxRequests: 3, timeout: 200 });
  expect(reasons(report)).toEqual(['timeout', 'timeout', 'timeout']);
  expect(performance.now() - startedAt).toBeLessThan(1000);
});

test.each([
  ['no HTTP', 'hello\r\n\r\n'],
  ['a bad status', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['a bad header', 'HTTP/1.1 200 OK\r\nno colon\r\n\r\n'],
  ['a bad length', 'HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello'],
  ['a length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['a bad chunk size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n'],
  [
    'a chunk longer than it says',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n',
  ],
  ['more than one answer', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n'],
])('an answer with %s is a loss', async (_what, bytes) => {
  const port = await serve((socket) => socket.once('data', () => socket.write(bytes)));
  expect(reasons(await load({ port, maxRequests: 1 }))).toEqual(['malformed']);
});

test('bytes that come between two requests are a loss', async () => {
  const port = await serve((socket) => {
    socket.once('data', () => {
      socket.write(OK);
      setTimeout(() => socket.write('HTTP/1.1 408 Request Timeout\r\n\r\n'), 20);
    });
  });
  const report = await load({ port, maxRequests: 2, thinkTime: () => 60 });
  expect(report.answered).toBe(2);
  expect(reasons(report)).toContain('malformed');
});

test('an answer that `check` rejects is a loss', async () => {
  const port = await serveHttp((request, response) =>
    response.end(request.url === '/1' ? 'other' : request.url),
  );
  const report = await load({
    port,
    maxRequests: 3,
    request: (n) => ({ target: `/${n}` }),
    check: ({ request, body }) => (body.toString() === request.target ? undefined : `got ${body}`),
  });
  expect(report.lost).toMatchObject([{ reason: 'wrong', detail: 'got other', target: '/1' }]);
  expect(report.answered).toBe(2);
});

test('an answer with `Connection: close` is no loss, and the next request opens a connection', async () => {
  const port = await serveHttp((_request, response) => response.setHeader('connection', 'close').end('bye'));
  expect(await load({ port, connections: 2, maxRequests: 10 })).toMatchObject({
    answered: 10,
    lostCount: 0,
    opened: 10,
    toldToClose: 10,
  });
});

test('an HTTP/1.0 answer without a length is whole when the connection ends', async () => {
  const port = await serve((socket) => socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nhello')));
  const bodies: string[] = [];
  const report = await load({ port, maxRequests: 3, onResponse: ({ body }) => bodies.push(body.toString()) });
  expect(report).toMatchObject({ answered: 3, lostCount: 0, opened: 3 });
  expect(bodies).toEqual(['hello', 'hello', 'hello']);
});

test('a connection that is closed between two requests is no loss', async () => {
  const port = await serve((socket) => {
    socket.once('data', () => {
      socket.write(OK);
      setTimeout(() => socket.end(), 10);
    });
  });
  const report = await load({ port, maxRequests: 3, thinkTime: () => 60 });
  expect(report).toMatchObject({ answered: 3, lostCount: 0, opened: 3 });
  expect(report.idleClosed).toBeGreaterThanOrEqual(2);
});

test('chunked, HEAD, 204, 304 and interim answers are read to their end on one connection', async () => {
  const port = await serveHttp((request, response) => {
    if (request.url === '/chunked') {
      response.write('one ');
      setTimeout(() => response.end('two'), 10);
    } else if (request.url === '/204') response.writeHead(204).end();
    else if (request.url === '/304') response.writeHead(304).end();
    else if (request.url === '/interim') response.writeProcessing(() => response.end('late'));
    else response.setHeader('content-length', 5).end(request.method === 'HEAD' ? undefined : 'hello');
  });
  const requests = [
    { target: '/chunked' },
    { target: '/', method: 'HEAD' },
    { target: '/204' },
    { target: '/304' },
    { target: '/interim' },
    { target: '/', method: 'POST', body: 'some text' },
  ];
  const seen: [number, string][] = [];
  const report = await load({
    port,
    maxRequests: requests.length,
    request: (n) => requests[n] ?? { target: '/' },
    onResponse: ({ status, body }) => seen.push([status, body.toString()]),
  });
  expect(report).toMatchObject({ lostCount: 0, opened: 1 });
  expect(seen).toEqual([
    [200, 'one two'],
    [200, ''],
    [204, ''],
    [304, ''],
    [200, 'late'],
    [200, 'hello'],
  ]);
});

test('new-connection mode opens a connection for each request and sends `Connection: close`', async () => {
  const asked: (string | undefined)[] = [];
  const port = await serveHttp((request, response) => {
    asked.push(request.headers.connection);
    response.end();
  });
  const report = await load({ port, mode: 'new-connection', maxRequests: 3 });
  expect(report).toMatchObject({ answered: 3, opened: 3, toldToClose: 0, lostCount: 0 });
  expect(asked).toEqual(['close', 'close', 'close']);
});

test('`stop` waits for the requests in flight', async () => {
  const port = await serveHttp((_request, response) => void setTimeout(() => response.end('slow'), 100));
  const running = startLoad({ port, connections: 5, mode: 'keep-alive', recordLatency: true });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const report = await running.stop();
  expect(report).toMatchObject({ requests: 5, answered: 5, lostCount: 0, opened: 5 });
  expect(report.latencies.every((ms) => ms >= 95)).toBe(true);
});

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

function load(options: Partial<LoadOptions>): Promise<LoadReport> {
  return startLoad({ connections: 1, mode: 'keep-alive', timeout: 2000, lossPause: 1, ...options }).ended;
}

function reasons(report: LoadReport): string[] {
  return report.lost.map(({ reason }) => reason);
}

function serve(onSocket: (socket: net.Socket) => void): Promise<number> {
  return listen(
    net.createServer((socket) => {
      socket.on('error', () => {});
      onSocket(socket);
    }),
  );
}

function serveHttp(listener: http.RequestListener): Promise<number> {
  return listen(http.createServer(listener));
}

async function listen(server: net.Server | http.Server): Promise<number> {
  servers.push(server);
  server.on('connection', (socket: net.Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return address && typeof address === 'object' ? address.port : 0;
}
