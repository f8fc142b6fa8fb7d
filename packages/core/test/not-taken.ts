import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { freePort, get, type Program, startLoad, startProgram, testedNodes } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fixture, serve, temporaryFolder, until } from './program.js';

/** Whether another program could listen on a port now. */
export async function canBind(port: number): Promise<string> {
  const server = net.createServer();
  const outcome = await new Promise<string>((resolve) => {
    server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'error'));
    server.listen(port, () => resolve('free'));
  });
  if (outcome === 'free') await new Promise((resolve) => server.close(resolve));
  return outcome;
}

/** The answer to a request, or the reason why it has no answer. */
export const answerOf = (port: number) =>
  get({ port, timeout: 1_000 }).then(
    ({ body }) => body,
    ({ code, message }) => code ?? message,
  );

/** Kills the first process of a program, and waits until it is gone. */
export async function killFirst(program: Program): Promise<void> {
  program.signal('SIGKILL');
  await program.exited;
}

/** Tests that a process holds no listening socket before it takes the handoff. */
export function describeNotTaken(): void {
  for (const { major, path: node } of testedNodes())
    describe(`a process that has not taken the handoff holds no listening socket (Node ${major}):`, () => {
      /** A program whose successor is started by a wrapper of this name, which first waits while `waitFile` is there. */
      async function wrapped(name: string) {
        const folder = temporaryFolder();
        const waitFile = path.join(folder, 'wait');
        const command = path.join(folder, name);
        writeFileSync(
          command,
          `#!/bin/sh\necho "wrapper waits"\nwhile [ -e '${waitFile}' ]; do sleep 0.02; done\nexec '${node}' "$@"\n`,
        );
        chmodSync(command, 0o755);
        writeFileSync(waitFile, '');
        const served = await serve('app.mjs', { restart: { command } }, { node });
        return { ...served, begin: () => rmSync(waitFile) };
      }

      for (const [title, name] of [
        ['with the preload', 'node'],
        ['with a command that the preload cannot run in', 'wrapper.sh'],
      ] as const)
        test(`its old process was killed before it began, ${title}: it is the first of its kind and serves`, async () => {
          const { program, port, begin } = await wrapped(name);
          program.signal('SIGHUP');
          await program.waitFor('wrapper waits');
          await killFirst(program);
          expect(await canBind(port)).toBe('free');
          begin();
          await program.waitFor(/listening \d+ 0 running/, { after: program.output.length });
          expect(program.stderr).toMatch(/Refused a handoff: it was written by pid \d+/);
          expect(await answerOf(port)).toBe('generation 0');
        });

      async function late(settings: object = {}) {
        const waitFile = path.join(temporaryFolder(), 'wait');
        const port = await freePort();
        const program = startProgram(fixture('late.mjs'), {
          node,
          env: {
            PORT: String(port),
            WAIT_FILE: waitFile,
            SETTINGS: JSON.stringify({ rollbackWindow: 100, ...settings }),
          },
        });
        onTestFinished(() => program.stop());
        await program.waitFor(/listening \d+ 0/);
        writeFileSync(waitFile, '');
        const after = program.output.length;
        program.signal('SIGHUP');
        await program.waitFor(/begun \d+/, { after });
        await killFirst(program);
        return { program, port, after, arrive: () => rmSync(waitFile) };
      }

      test('it waits for its database when the old process is killed: others can bind, and it takes over afterwards', async () => {
        const { program, port, after, arrive } = await late();
        expect(await answerOf(port)).toBe('ECONNREFUSED');
        expect(await canBind(port)).toBe('free');
        arrive();
        await program.waitFor(/event ready \d+/, { after });
        await until(async () => (await answerOf(port)) === 'generation 1');
        // It can hand on a socket that it has bound itself.
        const load = startLoad({ port, connections: 4, mode: 'keep-alive' });
        program.signal('SIGHUP', program.pids()[0]);
        await until(() => load.answers.has('2'));
        expect((await load.stop()).lost).toEqual([]);
      });

      test('and it exits with the reason where another process has bound its address meanwhile', async () => {
        const { program, port, after, arrive } = await late();
        const other = net.createServer((socket) =>
          socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother'),
        );
        await new Promise<void>((resolve) => other.listen(port, resolve));
        onTestFinished(() => void other.close());
        arrive();
        await program.waitFor(/its sockets had not arrived: listen EADDRINUSE/, { after });
        await program.waitForPids(0);
        expect(await answerOf(port)).toBe('other');
      });
    });
}
