import { nodeBinaries } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { mongo, postgres, redis } from './stand-ins.js';
import { type Existing, restartedOnce, tried } from './tried.js';

/** What a program does that is not what all others do. */
interface Row extends Existing {
  /** It ends by SIGTERM at once, bare, where nothing listens to the signal. */
  bareDies?: boolean;
}

const PROGRAMS: Record<string, Row> = {
  'a SIGTERM listener that closes the server and exits': { args: ['programs/own-sigterm.mjs'] },
  'Nest on Express': { args: ['programs/nest.mjs'] },
  'Nest on Fastify': { args: ['programs/nest.mjs'], env: { PLATFORM: 'fastify' } },
  'close-with-grace': { args: ['programs/close-with-grace.mjs'] },
  'fastify-cli': {
    args: [
      'node_modules/fastify-cli/cli.js',
      'start',
      '--close-grace-delay',
      '10000',
      '-p',
      'PORT',
      '-a',
      '::',
      'programs/fastify-cli.mjs',
    ],
  },
  terminus: { args: ['programs/terminus.mjs'] },
  stoppable: { args: ['programs/stoppable.mjs'] },
  'http-terminator': { args: ['programs/http-terminator.mjs'] },
  lightship: { args: ['programs/lightship.mjs'] },
  'exit-hook': { args: ['programs/exit-hook.mjs'] },
  'async-exit-hook': { args: ['programs/async-exit-hook.mjs'] },
  'signal-exit': { args: ['programs/signal-exit.mjs'], bareDies: true },
  Sentry: { args: ['programs/sentry.mjs'] },
  OpenTelemetry: { args: ['programs/opentelemetry.mjs'] },
  pg: { args: ['programs/pg.mjs'], needs: postgres },
  mongoose: { args: ['programs/mongoose.mjs'], needs: mongo },
  BullMQ: { args: ['programs/bullmq.mjs'], needs: redis, wake: 'job' },
  Puppeteer: { args: ['programs/puppeteer.mjs'] },
  winston: { args: ['programs/winston.mjs'] },
  pino: { args: ['programs/pino.mjs'] },
};

const judge = async ({ bareDies, ...existing }: Row) => {
  const { lost, slow, cleanups, oldExit, exits, output } = await tried(existing);
  expect({ lost, slow }, output).toEqual({ lost: [], slow: { restart: 200, stop: 200 } });
  expect(cleanups, output).toEqual({ old: ['cleaned'], new: ['cleaned'] });
  expect(exits.endless).toEqual(bareDies ? { code: 0, signal: null } : exits.bare);
  expect([0, exits.bare.code], output).toContain(oldExit.code);
};

describe('restarts and stops lose nothing, and each process cleans up once:', () => {
  for (const [name, row] of Object.entries(PROGRAMS)) test.concurrent(name, () => judge(row));

  test.concurrent('except where a setting keeps the listeners from running after a restart', async () => {
    const { cleanups } = await tried({
      args: ['programs/own-sigterm.mjs'],
      settings: { ownListeners: false },
    });
    expect(cleanups).toEqual({ old: [], new: ['cleaned'] });
  });
});

describe('what only one process can hold:', () => {
  const holding = (thing: string, env: Record<string, string> = {}): Existing => ({
    args: ['programs/one-owner.mjs'],
    env: { HOLDS: thing, ...env },
    ...(thing === 'sqlite' && { node: nodeBinaries().find(({ major }) => major === 24)?.path }),
  });

  for (const thing of ['metrics', 'udp-reuse'])
    test.concurrent(`${thing}: two processes can have it, and a restart works`, async () => {
      const { pid, lost, output } = await restartedOnce(holding(thing));
      expect({ pid, lost }, output).toEqual({ pid: 'new', lost: [] });
    });

  const REASONS = {
    udp: /EADDRINUSE/,
    level: /LEVEL_DATABASE_NOT_OPEN|LEVEL_LOCKED|lock/i,
    lockfile: /ELOCKED/,
    pid: /already running/,
    sqlite: /database is locked/,
  };
  for (const [thing, reason] of Object.entries(REASONS)) {
    test.concurrent(`${thing}: a restart fails with the reason, and the old process serves on`, async () => {
      const { pid, lost, output } = await restartedOnce(holding(thing));
      expect({ pid, lost }, output).toEqual({ pid: 'old', lost: [] });
      expect(output).toMatch(reason);
    });

    test.concurrent(`${thing}: a restart works where the new process takes it when it is free`, async () => {
      const { pid, lost, output } = await restartedOnce(holding(thing, { HOLDS_WHEN: 'free' }));
      expect({ pid, lost }, output).toEqual({ pid: 'new', lost: [] });
      expect(new Set(output.match(/^holds \d+$/gm)).size, output).toBe(2);
    });
  }

  test.concurrent('--inspect on a fixed port: a restart works, and the new process has an inspector on another', async () => {
    const { pid, lost, output } = await restartedOnce({ ...holding('nothing'), inspect: true });
    expect({ pid, lost }, output).toEqual({ pid: 'new', lost: [] });
    const inspectors = output.match(/Debugger listening on ws:\/\/[\d.:]+/g);
    expect(new Set(inspectors).size, output).toBe(2);
  });
});
