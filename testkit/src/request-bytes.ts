import type { LoadRequest } from './load-types.js';

/** Encodes a request as the bytes that go over the connection. */
export function requestBytes(request: LoadRequest, host: string, close: boolean): Buffer {
  const body = typeof request.body === 'string' ? Buffer.from(request.body) : request.body;
  let head = `${request.method ?? 'GET'} ${request.target} HTTP/1.1\r\nHost: ${host}\r\n`;
  for (const name in request.headers) head += `${name}: ${request.headers[name]}\r\n`;
  if (body) head += `Content-Length: ${body.length}\r\n`;
  head += close ? 'Connection: close\r\n\r\n' : '\r\n';
  return body ? Buffer.concat([Buffer.from(head, 'latin1'), body]) : Buffer.from(head, 'latin1');
}
