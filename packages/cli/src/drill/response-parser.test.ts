import { expect, test } from 'vitest';
import { ResponseParser } from './response-parser.js';

const OK = 'HTTP/1.1 200 OK\r\n';

test.each([
  ['chunks', `${OK}Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\n\r\n`],
  ['a length', `${OK}Content-Length: 5\r\n\r\nhello`],
  ['an interim response', `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${OK}content-length:2\r\n\r\nok`],
  ['no body', 'HTTP/1.1 204 No Content\r\n\r\n'],
])('a response with %s is whole at its last byte, in pieces of each size', (_what, text) => {
  for (let size = 1; size <= text.length; size += 1) {
    const parser = new ResponseParser('GET');
    for (let at = 0; at < text.length; at += size)
      expect(parser.push(Buffer.from(text.slice(at, at + size)))).toBe(at + size >= text.length);
    expect([parser.received, parser.keepsAlive]).toEqual([text.length, true]);
    expect(() => parser.push(Buffer.from('x'))).toThrow('after the end');
  }
});

test.each([
  ['malformed', 'no HTTP', 'hello'],
  ['malformed', 'a bad status', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['malformed', 'a bad header', `${OK}no colon\r\n\r\n`],
  ['malformed', 'two lengths', `${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`],
  ['malformed', 'a length and chunks', `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ['malformed', 'a bad chunk size', `${OK}Transfer-Encoding: chunked\r\n\r\nx\r\n`],
  ['malformed', 'an upgrade that was not asked for', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
  [
    'wrong-length',
    'a chunk that is too long',
    `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n`,
  ],
  ['wrong-length', 'a body that is too long', `${OK}Content-Length: 2\r\n\r\nhello`],
  ['wrong-length', 'a second response', `${OK}Content-Length: 0\r\n\r\n${OK}`],
])('a response is %s with %s', (kind, _what, text) => {
  const parser = new ResponseParser('GET');
  expect(() => parser.push(Buffer.from(text))).toThrow(expect.objectContaining({ kind }));
});

test('the end of a connection completes only a response without a length', () => {
  for (const [text, whole] of [
    [`${OK}\r\nhello`, true],
    [`${OK}Content-Length: 9\r\n\r\nhello`, false],
    [OK, false],
  ] as const) {
    const parser = new ResponseParser('GET');
    parser.push(Buffer.from(text));
    expect(parser.end()).toBe(whole);
    if (whole) expect(parser.keepsAlive).toBe(false);
  }
});

test('a close notice in a list, HTTP/1.0 and HEAD are understood', () => {
  const keeps = (text: string, method = 'GET') => {
    const parser = new ResponseParser(method);
    parser.push(Buffer.from(text));
    return [parser.whole, parser.keepsAlive];
  };
  expect(keeps(`${OK}Connection: Keep-Alive, Close\r\nContent-Length: 0\r\n\r\n`)).toEqual([true, false]);
  expect(keeps('HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n')).toEqual([true, false]);
  expect(keeps(`${OK}Content-Length: 9\r\n\r\n`, 'HEAD')).toEqual([true, true]);
});
