import { fileURLToPath } from 'node:url';
import { get, type Program } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { hup, type Served, until } from './program.js';

/** Node.js options that load the listeners into a program without them. */
export const OWN_LISTENERS = ['--import', fileURLToPath(new URL('../own-listeners.mjs', import.meta.url))];

/** The lines that the listeners of a process have printed, in order. */
function said(program: Program, pid: number): string[] {
  return [...program.stdout.matchAll(/^own (\w+) (\d+)$/gm)]
    .filter(([, , sayer]) => Number(sayer) === pid)
    .map(([, what]) => what as string);
}

/** Tests an application with SIGTERM and SIGHUP listeners of its own, which `start` loads into it. */
export function ownCode(name: string, start: () => Promise<Served>): void {
  describe(`${name}: an application with its own SIGTERM and SIGHUP listeners`, () => {
    test('has them run at the end of the old process, after its last answer', async () => {
      const { program, port } = await start();
      const slow = get({ port, path: '/slow?ms=500' });
      await until(async () => (await activeRequests(port)) > 1);
      const successor = await hup(program);
      expect((await get({ port })).body).toBe('generation 1');
      expect(said(program, program.pid)).toEqual([]);
      expect((await slow).body).toBe('slow 0');
      expect(await program.exited).toEqual({ code: 4, signal: null });
      expect(said(program, program.pid)).toEqual(['SIGHUP', 'SIGTERM', 'end']);
      expect(said(program, successor)).toEqual([]);
    });

    test('exits only after its SIGTERM listener is done, and loses no request', async () => {
      const { program, port } = await start();
      const slow = get({ port, path: '/slow?ms=300' });
      await until(async () => (await activeRequests(port)) > 1);
      program.signal('SIGTERM');
      expect((await slow).body).toBe('slow 0');
      expect(await program.exited).toEqual({ code: 4, signal: null });
      expect(said(program, program.pid)).toEqual(['SIGTERM', 'end']);
    });
  });
}

async function activeRequests(port: number): Promise<number> {
  const { body } = await get({ port, path: '/stats' });
  return (JSON.parse(body) as { activeRequests: number }).activeRequests;
}
