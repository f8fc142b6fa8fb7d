import { expect, test } from 'vitest';
import { ResponseParser } from './response-parser.js';

const ANSWERS: [what: string, text: string, body: string][] = [
  [
    'chunks',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\n\r\n',
    'hello!',
  ],
  ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'hello'],
  [
    'an interim answer',
    'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200\r\ncontent-length:2\r\n\r\nok',
    'ok',
  ],
  ['no body', 'HTTP/1.1 204 No Content\r\n\r\n', ''],
];

test.each(ANSWERS)(
  'an answer with %s is whole at its last byte, in whatever pieces it comes',
  (_what, text, body) => {
    for (let size = 1; size <= text.length; size++) {
      const parser = new ResponseParser();
      parser.expect('GET', true);
      for (let at = 0; at < text.length; at += size) {
        const isLast = at + size >= text.length;
        expect(parser.push(Buffer.from(text.slice(at, at + size)))).toBe(isLast);
      }
      expect(parser.body.toString()).toBe(body);
      expect(parser.received).toBe(text.length);
      expect(parser.keepsAlive).toBe(true);
      expect(() => parser.push(Buffer.from('x'))).toThrow('without a request');
    }
  },
);

test('the header names are in lower case, and values of one name are joined', () => {
  const parser = new ResponseParser();
  parser.expect('GET', false);
  parser.push(Buffer.from('HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a:  2 \r\nConnection: Keep-Alive, Close\r\n\r\n'));
  expect(parser.head).toMatchObject({ status: 200, headers: { 'x-a': '1, 2' } });
  expect(parser.keepsAlive).toBe(false);
  expect(parser.end()).toBe(true);
});
