import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { temporaryFolder } from '@endless/conformance';
import { startProgram } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { DrillReport } from '../dist/drill/report.js';
import { drill } from './drill.js';
import { KINDS } from './others.js';
import { BIN, fixture } from './program.js';
import { type Met, Relay } from './relay.js';

const SHORT = ['--every', '300ms', '--json'];

/** A command for `--do`, at which this process does something; the command ends when that is done. */
async function commandFor(act: () => Promise<void>): Promise<string> {
  const server = createServer(async (_request, response) => {
    const why = await act().then(() => '', String);
    response.writeHead(why === '' ? 200 : 500).end(why);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const ask = `fetch('http://127.0.0.1:${port}/').then(async (r) => { if (!r.ok) throw await r.text() })`;
  return `${process.execPath} -e "${ask}"`;
}

/** What a drill reports of the same things. */
function metBy({ connections, requests, lostBy }: DrillReport): Met {
  return { ...connections, requests, lostBy };
}

describe('the drill finds what a relay counts that passes each byte on:', () => {
  for (const { name, isHere, start } of KINDS)
    test.skipIf(!isHere)(name, async () => {
      const { port, restart } = await start();
      const relay = await Relay.to(port);
      const command = await commandFor(async () => {
        await restart();
        await relay.settled();
      });
      const { report, stderr } = await drill([
        ...['--url', `http://127.0.0.1:${relay.port}/`],
        ...['--do', command, '--times', '1', ...SHORT],
      ]);
      expect(
        report?.phases.map(({ error }) => error),
        stderr,
      ).toEqual([null, null]);
      await relay.left();
      const { opened, requests, ...met } = relay.met;
      // The drill asks once before it begins.
      expect(metBy(report)).toEqual({ ...met, opened: opened - 1, requests: requests - 1 });
      expect([relay.refused, relay.strange]).toEqual([0, []]);
      const lost = Object.values(met.lostBy).reduce((sum, count) => sum + count, 0);
      const noticed = lost + met.closedIdle + met.toldToClose;
      // endless moves each connection; every other process takes those that it holds with it.
      if (name === 'endless') expect(noticed).toBe(0);
      else expect(noticed).toBeGreaterThan(0);
    });
});

/** A network of its own, in which no other process connects. */
const NETWORK = ['--net', 'sh', '-c'];
const LOOPBACK = 'ip link set lo up';
const hasNetwork = spawnSync('unshare', [...NETWORK, LOOPBACK]).status === 0;

/** The counters of TCP, as a process in that network reads them. */
function tcpOf(text: string): Record<string, number> {
  const [names = [], values = []] = [...text.matchAll(/^Tcp: (.*)$/gm)].map(([, row = '']) => row.split(' '));
  return Object.fromEntries(names.map((name, at) => [name, Number(values[at])]));
}

test.skipIf(!hasNetwork)(
  'the drill finds each connection that a stop and a start refuse, as the kernel counts (needs unshare and root)',
  async () => {
    const folder = temporaryFolder();
    const file = (name: string) => path.join(folder, name);
    const start = `: >${file('log')}
      PORT=9090 ${process.execPath} ${fixture('drill/stop-and-start.mjs')} >${file('log')} 2>&1 &
      echo $! >${file('pid')}
      until grep -q listening ${file('log')}; do sleep 0.05; done`;
    writeFileSync(file('restart.sh'), `kill $(cat ${file('pid')})\nsleep 0.5\n${start}\n`);
    const words = `--url http://127.0.0.1:9090/ --do 'sh ${file('restart.sh')}' --times 2 ${SHORT.join(' ')}`;
    const script = `${LOOPBACK}
      ${start}
      ${process.execPath} ${BIN} drill ${words}
      grep ^Tcp: /proc/net/snmp`;
    const program = startProgram(script, { node: 'unshare', execArgv: NETWORK, maxProcesses: 12 });
    onTestFinished(() => program.stop());
    await program.waitFor(/^Tcp: \d.*\n/m, { from: 'stdout', timeout: 60_000 });
    const [json = ''] = program.stdout.split(/^Tcp: /m);
    const report = JSON.parse(json) as DrillReport;
    const { AttemptFails, ActiveOpens } = tcpOf(program.stdout);
    expect(report.lostBy.refused).toBeGreaterThan(0);
    // The drill asks once before it begins.
    expect([report.lostBy.refused, report.connections.opened + 1]).toEqual([AttemptFails, ActiveOpens]);
    expect(report.inTheWay.join()).toMatch(/no process listened for up to \d+\.\d s/);
  },
);
