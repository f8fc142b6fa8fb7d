import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import {
  type Address,
  type Asked,
  askedOf,
  type Bound,
  boundOf,
  label,
  matchOf,
  parseAddress,
} from './address.js';

describe('`parseAddress` understands', () => {
  const FORMS: [Address, object][] = [
    [9090, { port: 9090 }],
    [0, { port: 0 }],
    [65_535, { port: 65_535 }],
    ['9090', { port: 9090 }],
    [':9090', { port: 9090 }],
    [':0', { port: 0 }],
    ['localhost:4242', { port: 4242, host: 'localhost' }],
    ['app.internal:80', { port: 80, host: 'app.internal' }],
    ['127.0.0.1:80', { port: 80, host: '127.0.0.1' }],
    ['0.0.0.0:80', { port: 80, host: '0.0.0.0' }],
    ['[::1]:9090', { port: 9090, host: '::1' }],
    ['[::]:9090', { port: 9090, host: '::' }],
    ['[fe80::1%eth0]:9090', { port: 9090, host: 'fe80::1%eth0' }],
    ['unix:/run/app.sock', { path: '/run/app.sock' }],
    ['unix:run/app.sock', { path: 'run/app.sock' }],
    ['/run/app.sock', { path: '/run/app.sock' }],
    ['./app.sock', { path: './app.sock' }],
    [
      { port: 1, host: 'a', backlog: 3, ipv6Only: true },
      { port: 1, host: 'a', backlog: 3, ipv6Only: true },
    ],
    [
      { path: '/run/app.sock', backlog: 3 },
      { path: '/run/app.sock', backlog: 3 },
    ],
  ];
  for (const [address, target] of FORMS)
    test(JSON.stringify(address), () => {
      expect(parseAddress(address)).toStrictEqual(target);
    });

  test('a frozen object', () => {
    expect(parseAddress(Object.freeze({ port: 9090 }))).toEqual({ port: 9090 });
  });

  test('a path beside a port that is undefined, for which Node would take a port of its own', () => {
    const address = { port: undefined, path: '/run/app.sock' } as unknown as Address;
    expect(parseAddress(address)).toStrictEqual({ path: '/run/app.sock' });
  });
});

describe('`parseAddress` refuses, with the value and the forms there are,', () => {
  const WRONG: unknown[] = [
    undefined,
    null,
    true,
    -1,
    1.5,
    Number.NaN,
    65_536,
    '',
    ' ',
    'localhost',
    'localhost:',
    'localhost:http',
    'localhost:65536',
    'http://localhost:80',
    'local host:80',
    '::1:80',
    '[::1]',
    '[localhost]:80',
    '[]:80',
    'unix:',
    [],
    {},
    { host: 'localhost' },
    { port: '80' },
    { port: 80, path: '/a' },
    { path: '' },
    { path: 3 },
  ];
  for (const address of WRONG)
    test(String(JSON.stringify(address) ?? address), () => {
      const shown =
        typeof address === 'number' ? String(address) : (JSON.stringify(address) ?? String(address));
      let thrown: unknown;
      try {
        parseAddress(address as Address);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toMatchObject({ name: 'EndlessError', code: 'ERR_ENDLESS_INVALID_ADDRESS' });
      const { message } = thrown as Error;
      expect(message.startsWith(`Cannot listen on ${shown}: `)).toBe(true);
      expect(message).toContain("Use 9090, ':9090', 'localhost:4242', '[::1]:9090', 'unix:/run/app.sock'");
    });
});

describe('`askedOf` reads from the options of a listen call', () => {
  const ASKED: [string, Record<string, unknown>, Asked | undefined][] = [
    ['a port', { port: 80 }, { port: 80 }],
    ['a port as text', { port: '80' }, { port: 80 }],
    ['a port and a host', { port: 80, host: 'localhost' }, { port: 80, host: 'localhost' }],
    ['a host in capitals', { port: 80, host: 'LocalHost' }, { port: 80, host: 'localhost' }],
    ['an empty host', { port: 80, host: '' }, { port: 80 }],
    ['a host that is undefined', { port: 80, host: undefined }, { port: 80 }],
    ['IPv6 in long form', { port: 80, host: '0:0:0:0:0:0:0:1' }, { port: 80, host: '::1' }],
    ['`::0`', { port: 80, host: '::0' }, { port: 80, host: '::' }],
    ['no port', {}, { port: 0 }],
    ['a port that is null', { port: null }, { port: 0 }],
    ['a path', { path: '/run/app.sock' }, { path: '/run/app.sock' }],
    ['a port, which goes before a path', { port: 80, path: '/run/app.sock' }, { port: 80 }],
    ['a descriptor, which is no address', { fd: 3 }, undefined],
    ['a handle, which is no address', { handle: {} }, undefined],
    ['a server, which is no address', { _handle: {} }, undefined],
    ['a raw handle itself, which is no address', { listen: () => 0 }, undefined],
    ['a port that Node refuses', { port: 65_536 }, undefined],
    ['a port in letters, which Node refuses', { port: 'http' }, undefined],
    ['an empty port, which Node refuses', { port: '' }, undefined],
  ];
  for (const [name, options, asked] of ASKED)
    test(name, () => {
      expect(askedOf(Object.freeze(options))).toStrictEqual(asked);
    });

  test('two link-local addresses as two, though only the interface differs', () => {
    const [one, two] = ['fe80::1%eth0', 'fe80::1%eth1'].map((host) => askedOf({ port: 80, host }));
    expect(one).not.toEqual(two);
  });
});

describe('`boundOf` and `label` say where a server listens', () => {
  test('on a port', async () => {
    const server = createServer();
    expect(boundOf(server)).toBeUndefined();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const bound = boundOf(server) as { address: string; port: number };
    expect(bound).toStrictEqual({ address: '127.0.0.1', port: expect.any(Number) });
    expect(label(bound)).toBe(`127.0.0.1:${bound.port}`);
    await new Promise((resolve) => server.close(resolve));
    expect(boundOf(server)).toBeUndefined();
  });

  const LABELS: [Asked | Bound, string][] = [
    [{ port: 80 }, ':80'],
    [{ port: 80, host: 'localhost' }, 'localhost:80'],
    [{ port: 80, host: '::1' }, '[::1]:80'],
    [{ port: 80, address: '::' }, '[::]:80'],
    [{ port: 80, address: '0.0.0.0' }, '0.0.0.0:80'],
    [{ path: '/run/app.sock' }, 'unix:/run/app.sock'],
  ];
  for (const [address, text] of LABELS)
    test(`as ${text}`, () => {
      expect(label(address)).toBe(text);
    });
});

describe('`matchOf` lets an inherited socket serve', () => {
  const socket = (asked: Asked, address: string, port = 80) => ({ asked, bound: { address, port } });
  const ANY = socket({ port: 80 }, '::');
  const ANY4 = socket({ port: 80, host: '0.0.0.0' }, '0.0.0.0');
  const LOCALHOST6 = socket({ port: 80, host: 'localhost' }, '::1');
  const LOOPBACK4 = socket({ port: 80, host: '127.0.0.1' }, '127.0.0.1');
  const LOOPBACK6 = socket({ port: 80, host: '::1' }, '::1');
  const NAMED = socket({ port: 80, host: 'app.internal' }, '10.0.0.7');
  const RANDOM = socket({ port: 0 }, '::', 4242);
  const RANDOM_LOOPBACK = socket({ port: 0, host: '127.0.0.1' }, '127.0.0.1', 4242);
  const unix = (path: string) => ({ asked: { path }, bound: { path } });

  const MATCHES: [string, Asked, { asked: Asked; bound: Bound }, 0 | 1 | 2 | 3][] = [
    ['the same words, best of all', { port: 80, host: 'localhost' }, LOCALHOST6, 3],
    ['the same port without a host', { port: 80 }, ANY, 3],
    ['the address that a name was bound to', { port: 80, host: '10.0.0.7' }, NAMED, 2],
    ['no host where `::` was asked for', { port: 80 }, socket({ port: 80, host: '::' }, '::'), 2],
    ['`::` where no host was asked for', { port: 80, host: '::' }, ANY, 2],
    ['localhost where ::1 was asked for', { port: 80, host: 'localhost' }, LOOPBACK6, 1],
    ['localhost where 127.0.0.1 was asked for', { port: 80, host: 'localhost' }, LOOPBACK4, 1],
    ['port 0 where port 0 was asked for', { port: 0 }, RANDOM, 3],
    ['the port that port 0 became', { port: 4242 }, RANDOM, 3],
    ['the same path', { path: '/run/app.sock' }, unix('/run/app.sock'), 3],
    ['the same path in other words', { path: '/run/../run/app.sock' }, unix('/run/app.sock'), 3],
    ['not another port', { port: 81 }, ANY, 0],
    ['not the other loopback address', { port: 80, host: '127.0.0.1' }, LOCALHOST6, 0],
    ['not a single host where all were asked for', { port: 80 }, LOOPBACK4, 0],
    ['not all hosts where a single one was asked for', { port: 80, host: '127.0.0.1' }, ANY4, 0],
    ['not localhost where all hosts were asked for', { port: 80, host: 'localhost' }, ANY, 0],
    ['not `::` for 0.0.0.0', { port: 80, host: '0.0.0.0' }, ANY, 0],
    ['not 0.0.0.0 for `::`', { port: 80, host: '::' }, ANY4, 0],
    ['not another name', { port: 80, host: 'other.internal' }, NAMED, 0],
    ['not port 0 on another host', { port: 0 }, RANDOM_LOOPBACK, 0],
    ['not port 0 where a port was asked for', { port: 0 }, ANY, 0],
    ['not another path', { path: '/run/other.sock' }, unix('/run/app.sock'), 0],
    ['not a path for a port', { port: 80 }, unix('/run/app.sock'), 0],
    ['not a port for a path', { path: '/run/app.sock' }, ANY, 0],
  ];
  for (const [name, asked, inherited, match] of MATCHES)
    test(name, () => {
      expect(matchOf(asked, inherited)).toBe(match);
    });
});
