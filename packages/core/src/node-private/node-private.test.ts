import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
// biome-ignore lint/style/noRestrictedImports: the rule is for what core ships, and a test is not shipped.
import { nodeBinaries } from '@endless/testkit';
import { beforeAll, describe, expect, test } from 'vitest';

interface Probe {
  version: string;
  exported: string[];
  seen: Record<string, unknown>;
}

const fixture = (name: string) => fileURLToPath(new URL(`../../test/fixtures/${name}`, import.meta.url));

/** Runs a built file on a Node.js version and returns what each export did there. */
async function probe(node: string, file = 'private-names.mjs'): Promise<Probe> {
  const folder = mkdtempSync(path.join(tmpdir(), 'endless-'));
  const env = { ...process.env, SOCKET_PATH: path.join(folder, 'probe.sock') };
  try {
    const { stdout, stderr } = await promisify(execFile)(node, [fixture(file)], { env, timeout: 20_000 });
    // Node must not warn of any private name.
    expect(stderr).toBe('');
    return JSON.parse(stdout) as Probe;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs a built file on all versions at once: most of its time it waits. Resolves later with what each version did. */
function probes(file?: string): (node: string) => Promise<Probe> {
  const running = new Map<string, Promise<Probe>>();
  beforeAll(() => {
    for (const { path: node } of versions) {
      const answer = probe(node, file);
      // The test of this version reports it.
      answer.catch(() => {});
      running.set(node, answer);
    }
  });
  return (node) => running.get(node) as Promise<Probe>;
}

const own = {
  major: process.version.slice(1).split('.')[0],
  version: process.version.slice(1),
  path: process.execPath,
};
const installed = nodeBinaries();
const versions = installed.length > 0 ? installed : [own];

describe('every private name does what endless relies on, on', () => {
  const probed = probes();
  for (const { major, version, path: node } of versions)
    test(`Node ${major}`, async () => {
      const { version: ran, exported, seen } = await probed(node);
      expect(ran).toBe(`v${version}`);
      expect(seen).toEqual({
        listeningHandle: {
          before: true,
          fd: true,
          errno: 0,
          port: true,
          host: '127.0.0.1',
          pipeFd: true,
          pipeName: 'undefined',
          fchmod: 'function',
          after: true,
        },
        setListeningHandle: { empty: true, backlog: 7, port: true, errno: 0, accepted: 1 },
        onListeningHandle: { bound: { errno: 0, port: true }, taken: true, code: 'EADDRINUSE' },
        onBind: { backlogs: [7, 9, null], ports: [true, true, true] },
        standBy: { listening: true, port: true, accepted: 0 },
        acceptAgain: { errno: 0, accepted: 1 },
        limitHead: { long: '431' },
        checkTimeoutsEvery: { late: '408' },
        rawHandle: { answers: [true, true] },
        // The first response, the one behind it, and no response.
        currentResponse: { current: [0, 1, -1] },
        isCurrent: {
          isCurrent: [
            [true, false],
            [false, true],
            [false, false],
          ],
        },
        speaksHttp: { beforeRequests: [true, true, true], idle: true, upgraded: false },
        ipcEndOf: {
          heard: [...Array(30).keys(), true],
          handles: 30,
          served: true,
          heardByProgram: [],
        },
        ipcEndFrom: { back: [0, 1], fds: [true, true], heardByProgram: [] },
        ipcEndOpened: { ofProgram: ['undefined', false], back: 7, fd: true, exitCode: 0 },
        readChannel: { hello: { hello: true }, exitCode: 0, turns: 1, ends: 1 },
        // Of three connections: after a response, with half a head, and with half a body.
        betweenRequests: { before: 0, idle: [true] },
        stopReading: { stopped: true, unread: true, busy: false, ofNothing: false },
        detachHandle: { fd: true, destroyed: true, ended: false },
        acceptConnection: { bodies: ['first /1;', 'second /2;', 'second /3;'], connections: 1, accepted: 3 },
        restBetweenRequests: { waited: ['', '408'], asked: ['/1', '/2'], next: 1 },
        startReading: { silent: true, heard: 'first a', paused: true },
        adoptSocket: { heard: 'second c', rest: 'b', told: 1, connections: 1, peer: true, emit: false },
        transportOf: { same: true, code: 0, lastStream: 2 ** 31 - 1 },
        shareSessions: { shared: true, apart: false },
        keepTicketKeys: { kept: true },
        givenTicketKeys: { option: true, none: false },
      });
      // A new name needs a check here.
      expect(Object.keys(seen).sort()).toEqual(exported);
    });
});

describe('where the end of a channel goes to another process, every private name does its part on', () => {
  const probed = probes('private-pipe.mjs');
  for (const { major, version, path: node } of versions)
    test(`Node ${major}`, async () => {
      const { version: ran, exported, seen } = await probed(node);
      expect(ran).toBe(`v${version}`);
      expect(seen).toEqual({
        makeNonBlocking: { before: false, made: true, after: true, none: false },
        ipcEndAround: { lines: [...Array(20).keys()], handles: 20, answer: true, notPipe: true },
        ipcEndReopened: { hello: true, leftNothing: true, took: 7, handle: true, exitCode: 0 },
        suspendReading: { suspended: true },
        resumeReading: { resumed: true },
        isWritten: { written: [true, false] },
      });
      expect(Object.keys(seen).sort()).toEqual(exported);
    });
});
