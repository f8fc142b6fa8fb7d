import { describe, expect, test } from 'vitest';
import { DEFAULTS, mergeSettings, type Settings } from './settings.js';

/** The error for these settings, which may be of any type, as in a JavaScript program. */
function refusal(given: unknown): { name: string; code: string; message: string } | undefined {
  try {
    mergeSettings(DEFAULTS, given as Settings);
  } catch (error) {
    return error as { name: string; code: string; message: string };
  }
  return undefined;
}

test('what is not set has the value of the table in the design', () => {
  expect(DEFAULTS).toStrictEqual({
    hammerTime: 60_000,
    startTimeout: 60_000,
    ready: 'auto',
    rollbackWindow: 2_000,
    maxDraining: 3,
    migrate: true,
    tlsTickets: true,
    allowOrphaning: false,
    lateRequests: 'serve',
    shutdownDelay: 0,
    signals: {
      SIGHUP: 'restart',
      SIGUSR1: false,
      SIGUSR2: 'hammer',
      SIGINT: 'shutdown',
      SIGTERM: 'shutdown',
      SIGTSTP: false,
    },
    restart: {},
    exit: true,
    ownListeners: true,
  });
});

describe('settings are laid over the ones before', () => {
  test('one by one, and the rest stays', () => {
    const first = mergeSettings(DEFAULTS, { hammerTime: 5, exit: false });
    const second = mergeSettings(first, { hammerTime: -1, pidFile: '/run/app.pid' });
    expect(second).toStrictEqual({ ...DEFAULTS, hammerTime: -1, exit: false, pidFile: '/run/app.pid' });
  });

  test('`undefined` leaves a setting as it is', () => {
    const first = mergeSettings(DEFAULTS, { idleGrace: 7 });
    const nothing: unknown = { idleGrace: undefined, hammerTime: undefined, signals: undefined };
    expect(mergeSettings(first, nothing as Settings)).toStrictEqual(first);
  });

  test('signals one by one', () => {
    const first = mergeSettings(DEFAULTS, { signals: { SIGUSR1: 'restart' } });
    expect(mergeSettings(first, { signals: { SIGHUP: false } }).signals).toStrictEqual({
      ...DEFAULTS.signals,
      SIGUSR1: 'restart',
      SIGHUP: false,
    });
  });

  test('a signal that is `undefined` keeps what it does', () => {
    const nothing: unknown = { signals: { SIGHUP: undefined } };
    expect(mergeSettings(DEFAULTS, nothing as Settings).signals).toStrictEqual(DEFAULTS.signals);
  });

  test('without a change to what was there before or was given', () => {
    const before = structuredClone(DEFAULTS);
    const given = Object.freeze({ hammerTime: 5, signals: Object.freeze({ SIGHUP: false as const }) });
    mergeSettings(DEFAULTS, given);
    expect(DEFAULTS).toStrictEqual(before);
  });
});

describe('every setting takes', () => {
  const logger = { info() {}, warn() {}, error() {} };
  const TAKEN: Required<{ [Name in keyof Settings]: Settings[Name][] }> = {
    hammerTime: [0, -1, 0.5, 60_000],
    readTimeout: [0.5, 300_000],
    writeTimeout: [0.5, 300_000],
    maxHeaderBytes: [1, 16_384],
    startTimeout: [1, 60_000],
    ready: ['auto', 'manual'],
    healthCheck: [() => true, async () => false],
    rollbackWindow: [0, 2_000],
    maxDraining: [1, 10],
    migrate: [true, false],
    tlsTickets: [true, false],
    lateRequests: ['serve', 'reject'],
    idleGrace: [0, 5_000],
    shutdownDelay: [0, 5_000],
    signals: [{}, { SIGHUP: false }, { SIGUSR1: 'hammer', SIGTSTP: 'shutdown', SIGUSR2: 'restart' }],
    restart: [
      {},
      { command: '/usr/bin/node', args: ['app.js'], env: { MODE: 'new', OLD: undefined }, cwd: '/srv' },
      { args: [] },
    ],
    allowOrphaning: [true, false],
    pidFile: ['/run/app.pid', 'app.pid'],
    exit: [true, false],
    ownListeners: [true, false],
    logger: [false, logger, console],
  };
  for (const [name, values] of Object.entries(TAKEN))
    test(`\`${name}\` what its type says`, () => {
      for (const value of values)
        expect(mergeSettings(DEFAULTS, { [name]: value })).toMatchObject({
          [name]: name === 'signals' ? { ...DEFAULTS.signals, ...(value as object) } : value,
        });
    });
});

describe('a wrong setting is refused by name, with the value and what would do:', () => {
  const WRONG: [string, unknown, string][] = [
    ['hammerTime', -2, 'a number of milliseconds, 0 for at once, or -1 for never; received -2'],
    ['hammerTime', Number.POSITIVE_INFINITY, 'or -1 for never; received Infinity'],
    ['hammerTime', Number.NaN, 'or -1 for never; received NaN'],
    ['hammerTime', '60s', 'received "60s"'],
    ['readTimeout', 0, 'a number of milliseconds above 0; received 0'],
    ['readTimeout', -1, 'above 0; received -1'],
    ['writeTimeout', 0, 'above 0; received 0'],
    ['writeTimeout', '5s', 'received "5s"'],
    ['maxHeaderBytes', 0, 'a whole number, 1 or more; received 0'],
    ['maxHeaderBytes', 1.5, 'a whole number, 1 or more; received 1.5'],
    ['startTimeout', 0, 'above 0; received 0'],
    ['startTimeout', null, 'received null'],
    ['ready', 'later', "'auto' or 'manual'; received \"later\""],
    ['ready', true, "'auto' or 'manual'; received true"],
    ['healthCheck', true, 'a function; received true'],
    ['rollbackWindow', -1, '0 or more; received -1'],
    ['maxDraining', 0, 'a whole number, 1 or more; received 0'],
    ['maxDraining', 1.5, 'received 1.5'],
    ['migrate', 1, 'true or false; received 1'],
    ['tlsTickets', 'yes', 'true or false; received "yes"'],
    ['lateRequests', 'drop', "'serve' or 'reject'; received \"drop\""],
    ['idleGrace', -1, '0 or more; received -1'],
    ['idleGrace', Number.NaN, 'received NaN'],
    ['shutdownDelay', '1', 'received "1"'],
    ['signals', 'SIGHUP', 'an object by signal name; received "SIGHUP"'],
    ['signals', null, 'received null'],
    ['restart', 'node', 'an object { command, args, env, cwd }; received "node"'],
    ['restart', null, 'received null'],
    ['allowOrphaning', 0, 'true or false; received 0'],
    ['pidFile', '', 'a path; received ""'],
    ['pidFile', 3, 'a path; received 3'],
    ['exit', 'no', 'true or false; received "no"'],
    ['logger', true, '`false` or an object with the methods info, warn and error; received true'],
    ['logger', { info() {} }, 'the methods info, warn and error; received {}'],
    ['logger', null, 'received null'],
  ];
  for (const [name, value, says] of WRONG)
    test(`\`${name}\`: ${typeof value === 'number' ? value : JSON.stringify(value)}`, () => {
      const error = refusal({ [name]: value });
      expect(error).toMatchObject({ name: 'EndlessError', code: 'ERR_ENDLESS_INVALID_OPTION' });
      expect(error?.message.startsWith(`\`${name}\` must be `)).toBe(true);
      expect(error?.message).toContain(says);
    });

  const PARTS: [string, unknown, string][] = [
    [
      'signals.SIGKILL',
      { signals: { SIGKILL: false } },
      'one of SIGHUP, SIGUSR1, SIGUSR2, SIGINT, SIGTERM, SIGTSTP',
    ],
    [
      'signals.SIGHUP',
      { signals: { SIGHUP: 'reload' } },
      "'restart', 'shutdown', 'hammer' or false; received \"reload\"",
    ],
    ['signals.SIGHUP', { signals: { SIGHUP: true } }, 'received true'],
    ['restart.command', { restart: { command: '' } }, 'a path; received ""'],
    ['restart.cwd', { restart: { cwd: 3 } }, 'a path; received 3'],
    ['restart.args', { restart: { args: 'app.js' } }, 'an array of strings; received "app.js"'],
    ['restart.args', { restart: { args: [1] } }, 'an array of strings; received [1]'],
    ['restart.env', { restart: { env: 'A=1' } }, 'an object; received "A=1"'],
  ];
  for (const [name, given, says] of PARTS)
    test(JSON.stringify(given), () => {
      const error = refusal(given);
      expect(error?.code).toBe('ERR_ENDLESS_INVALID_OPTION');
      expect(error?.message.startsWith(`\`${name}\` must be `)).toBe(true);
      expect(error?.message).toContain(says);
    });

  test('one that does not exist, with the ones that do', () => {
    expect(refusal({ timeout: 5 })).toMatchObject({
      code: 'ERR_ENDLESS_INVALID_OPTION',
      message: `\`timeout\` is not a setting of endless; known are ${[...NAMES].join(', ')}.`,
    });
  });

  test('one that is written in another way, with the right way', () => {
    expect(refusal({ hammertime: 5 })?.message).toBe(
      '`hammertime` is not a setting of endless; did you mean `hammerTime`?',
    );
    expect(refusal({ restart: { Args: [] } })?.message).toBe(
      '`restart.Args` is not a setting of endless; did you mean `restart.args`?',
    );
  });

  test('a name that every object has', () => {
    expect(refusal({ toString: 5 })?.message).toContain('`toString` is not a setting of endless');
    expect(refusal(JSON.parse('{"__proto__":5}'))?.message).toContain(
      '`__proto__` is not a setting of endless',
    );
  });

  for (const given of [null, undefined, 'fast', 5, []])
    test(`settings that are not an object: ${JSON.stringify(given)}`, () => {
      expect(refusal(given)).toMatchObject({
        code: 'ERR_ENDLESS_INVALID_OPTION',
        message: `\`settings\` must be an object; received ${JSON.stringify(given)}.`,
      });
    });
});

const NAMES: (keyof Settings)[] = [
  'hammerTime',
  'readTimeout',
  'writeTimeout',
  'maxHeaderBytes',
  'startTimeout',
  'ready',
  'healthCheck',
  'maxDraining',
  'rollbackWindow',
  'migrate',
  'tlsTickets',
  'allowOrphaning',
  'lateRequests',
  'idleGrace',
  'shutdownDelay',
  'signals',
  'restart',
  'pidFile',
  'exit',
  'ownListeners',
  'logger',
];
