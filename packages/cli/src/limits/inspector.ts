import { randomBytes } from 'node:crypto';
import { get, request } from 'node:http';
import type { Socket } from 'node:net';

/** Longer answers are not read. */
const LONGEST = 64 * 1_024;

/** Evaluates an expression in the process whose inspector listens on this port; undefined if that gives no text. */
export async function evaluate(
  port: number,
  expression: string,
  timeout: number,
): Promise<string | undefined> {
  const signal = AbortSignal.timeout(Math.ceil(timeout));
  const socket = await upgrade(port, await debuggerPath(port, signal), signal);
  try {
    const params = { expression, returnByValue: true };
    socket.write(maskedFrame(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params })));
    const { result } = JSON.parse(await textOf(socket)) as { result?: { result?: { value?: unknown } } };
    return typeof result?.result?.value === 'string' ? result.result.value : undefined;
  } finally {
    socket.destroy();
  }
}

/** The path of the debugger, which only the inspector knows. */
function debuggerPath(port: number, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path: '/json/list', agent: false, signal }, async (response) => {
      let text = '';
      try {
        for await (const chunk of response) text += chunk;
        const [target] = JSON.parse(text) as { webSocketDebuggerUrl: string }[];
        resolve(new URL(target?.webSocketDebuggerUrl ?? '').pathname);
      } catch (error) {
        reject(error);
      }
    }).once('error', reject);
  });
}

/** Opens a WebSocket; Node.js 20 has no client for it. */
function upgrade(port: number, path: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      'Sec-WebSocket-Version': '13',
    };
    request({ port, host: '127.0.0.1', path, headers, agent: false, signal })
      .once('error', reject)
      .once('response', () => reject(new Error('no WebSocket')))
      .once('upgrade', (_, socket: Socket, head) => {
        signal.addEventListener('abort', () => socket.destroy());
        socket.on('error', () => {});
        socket.unshift(head);
        resolve(socket);
      })
      .end();
  });
}

/** A frame with a short text, as a client has to send it. */
function maskedFrame(text: string): Buffer {
  const bytes = Buffer.from(text);
  const mask = randomBytes(4);
  const head = Buffer.from([0x81, 0x80 | 126, bytes.length >> 8, bytes.length & 255]);
  return Buffer.concat([head, mask, bytes.map((byte, at) => byte ^ (mask[at % 4] as number))]);
}

/** The text of the first frame, which the inspector sends whole. */
async function textOf(socket: Socket): Promise<string> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    const short = (bytes[1] ?? 0) & 127;
    const start = short === 126 ? 4 : 2;
    if (short === 127 || bytes.length > LONGEST) break;
    if (bytes.length < start) continue;
    const end = start + (short === 126 ? bytes.readUInt16BE(2) : short);
    if (bytes.length >= end) return bytes.subarray(start, end).toString();
  }
  throw new Error('no whole answer');
}
