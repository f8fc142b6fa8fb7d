import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  freePort,
  get,
  type LoadReport,
  type Loss,
  type Program,
  startLoad,
  startProgram,
} from '@endless/testkit';
import { fixture } from './program.js';
import { Random } from './random.js';

const SETTINGS = { hammerTime: 4_000, idleGrace: 3_000, rollbackWindow: 400, startTimeout: 15_000 };
/** At most so many restarts are asked for in a sequence, so that no more processes live than the testkit allows. */
const MOST_RESTARTS = 4;
const MOST_PROCESSES = 7;
/** How long after its cause a consequence may come, and how far two clocks of the story may differ. */
const EFFECT = 2_500;
const SLACK = 500;

/** How long this process itself was held up: it notices the end of a connection so much later. */
const blocked = {
  spans: [] as { until: number; ms: number }[],
  longest: (since: number) =>
    Math.max(0, ...blocked.spans.filter(({ until }) => until > since).map(({ ms }) => ms)),
};
let ticked = Date.now();
setInterval(() => {
  const now = Date.now();
  if (now - ticked > 200) blocked.spans.push({ until: now, ms: now - ticked });
  ticked = now;
}, 50).unref();

/** A signal that was sent. */
interface Sent {
  at: number;
  /** When it has been delivered at the latest: a stopped process gets it when it goes on. */
  until: number;
  signal: NodeJS.Signals;
  pid: number;
}

/** An event that a process wrote down. */
interface Told {
  at: number;
  pid: number;
  name: string;
  detail: { pid?: number; reason?: string };
}

/**
 * Sends random signals to random generations under the load of strict clients; returns the faults.
 *
 * The oracle: no request is lost, answered wrongly, run twice or without an answer for 5 s, except
 * 1. a request whose connection broke within {@link EFFECT} of a signal that force-closes: SIGKILL; SIGUSR2; a SIGINT, which
 *    gives idle connections no grace; a SIGTERM to a process that got one at least a second before;
 * 2. a request on a fresh connection that no process accepted, after the service was stopped or its last process killed. A SIGTERM
 *    or SIGINT stops the service if its process was the newest. A SIGKILL of the newest does not, if the process before it
 *    stands by in its rollback window: that one has to serve again.
 * A process that is stopped by SIGSTOP gets its signals when it goes on.
 * At the end, each process is gone within `hammerTime` of the last signal, the port can be bound, and the pid file is gone or
 * names a process that was killed. While the service lives, the pid file names the process that answers.
 */
export async function fuzzSignals(
  seed: number,
  env: Record<string, string> = {},
): Promise<{ faults: string[]; story: string; requests: number }> {
  const random = new Random(seed);
  const folder = mkdtempSync(path.join(tmpdir(), 'endless-'));
  const pidFile = path.join(folder, 'pid');
  const runLog = path.join(folder, 'run');
  const port = await freePort();
  const program = startProgram(fixture('fuzzed.mjs'), {
    env: { ...env, PORT: String(port), RUN_LOG: runLog, SETTINGS: JSON.stringify({ ...SETTINGS, pidFile }) },
    maxProcesses: MOST_PROCESSES,
  });
  const faults: string[] = [];
  const sent: Sent[] = [];
  const stopped = new Map<number, number>();
  let requests = 0;
  const send = (signal: NodeJS.Signals, pid: number) => {
    try {
      program.signal(signal, pid);
      const at = Date.now();
      const until = Math.max(at, signal === 'SIGKILL' || signal === 'SIGCONT' ? 0 : (stopped.get(pid) ?? 0));
      sent.push({ at, until, signal, pid });
    } catch {
      // It has gone in the meantime.
    }
  };
  try {
    await program.waitFor(/listening \d+ 0/);
    const began = Date.now();
    const loads = (['keep-alive', 'new-connection'] as const).map((mode, index) =>
      startLoad({
        port,
        mode,
        connections: mode === 'keep-alive' ? 3 : 1,
        thinkTime: () => 20 + Math.random() * 20,
        lossPause: 100,
        request: (n) => ({ target: `/?n=${index}-${n}&ms=${n % 5 === 0 ? 30 : 0}` }),
        check: ({ n, headers }) =>
          headers['x-n'] === `${index}-${n}` ? undefined : `the answer to ${headers['x-n']}`,
      }),
    );
    await sleep(random.between(20, 200));
    let restarts = 0;
    for (let left = random.between(3, 8); left > 0; left--) {
      const pids = program.pids();
      if (pids.length === 0) break;
      const pid = random.chance(0.5) ? Math.max(...pids) : random.pick(pids);
      const signal = signalFor(random, restarts < MOST_RESTARTS);
      if (signal === 'SIGHUP') restarts++;
      if (signal === 'SIGSTOP') {
        const ms = random.between(50, 700);
        send('SIGSTOP', pid);
        stopped.set(pid, Date.now() + ms);
        void sleep(ms).then(() => send('SIGCONT', pid));
      } else send(signal, pid);
      if (signal === 'SIGHUP' && random.chance(0.6)) await nextHandover(program);
      await sleep(
        random.pick([0, random.between(1, 50), random.between(50, 400), random.between(300, 1_200)]),
      );
    }
    await sleep(1_000);
    await checkPidFile(program, port, pidFile, faults);

    // The end: everything is asked to stop, and asked once more after a second.
    for (let round = 0; round < 2; round++) {
      for (const pid of program.pids()) send('SIGTERM', pid);
      await goneWithin(program, 1_100);
    }
    if (!(await goneWithin(program, SETTINGS.hammerTime + 1_500)))
      faults.push(`processes are left: ${program.pids()}`);
    const reports = await Promise.all(loads.map((load) => load.stop()));
    requests = reports.reduce((sum, report) => sum + report.answered, 0);
    faults.push(...lossesIn(reports, began, sent, toldBy(program)));
    faults.push(...runTwice(runLog, reports));
    if (!(await canBind(port))) faults.push('the port is still bound');
    const named = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : undefined;
    if (named !== undefined && !sent.some(({ signal, pid }) => signal === 'SIGKILL' && pid === named))
      faults.push(`the pid file still names ${named}`);
  } catch (error) {
    faults.push(String(error));
  } finally {
    await program.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  const signals = sent.map(({ at, signal, pid }) => ({ at, text: `sent ${signal} to ${pid}` }));
  const events = toldBy(program).map(({ at, pid, name, detail }) => ({
    at,
    text: `${pid} ${name} ${JSON.stringify(detail)}`,
  }));
  const all = [...signals, ...events].sort((one, other) => one.at - other.at);
  const story = [...all.map(({ at, text }) => `${at - (all[0]?.at ?? 0)} ${text}`), program.stderr].join(
    '\n',
  );
  return { faults, story, requests };
}

/** Waits for the next handover, so that more signals fall into rollback windows than would by chance. */
async function nextHandover(program: Program): Promise<void> {
  const after = program.stdout.length;
  await program.waitFor(/ handover /, { from: 'stdout', after, timeout: 2_500 }).catch(() => {});
}

function signalFor(random: Random, mayRestart: boolean): NodeJS.Signals {
  const drawn = random.next();
  if (drawn < 0.5) return mayRestart ? 'SIGHUP' : 'SIGCONT';
  if (drawn < 0.7) return 'SIGSTOP';
  if (drawn < 0.8) return 'SIGKILL';
  if (drawn < 0.88) return 'SIGUSR2';
  return drawn < 0.95 ? 'SIGTERM' : 'SIGINT';
}

/** The records of the processes, in the order of time. */
function toldBy(program: Program): Told[] {
  return [...program.stdout.matchAll(/^@ (\d+) (\d+) (\w+) (.*)$/gm)]
    .map(([, at, pid, name, detail]) => ({
      at: Number(at),
      pid: Number(pid),
      name: name as string,
      detail: JSON.parse(detail as string),
    }))
    .sort((one, other) => one.at - other.at);
}

/** The losses that nothing in the oracle excuses. */
function lossesIn(
  reports: readonly LoadReport[],
  began: number,
  sent: readonly Sent[],
  told: readonly Told[],
): string[] {
  const forced = sent.filter(
    ({ until, signal, pid }) =>
      ['SIGKILL', 'SIGUSR2', 'SIGINT'].includes(signal) ||
      (signal === 'SIGTERM' &&
        sent.some((other) => other.pid === pid && isStop(other) && other.at <= until - 1_000 + SLACK)),
  );
  const end = Math.min(...sent.filter((each) => stopsService(each, sent, told)).map(({ at }) => at));
  const isExcused = ({ at, reason, received, answeredBefore }: Loss) => {
    const when = began + at;
    const broke = reason === 'reset' || reason === 'ended';
    if (
      broke &&
      forced.some(({ at, until }) => when >= at - SLACK && when <= until + EFFECT + blocked.longest(at))
    )
      return true;
    const fresh = received === 0 && answeredBefore === 0;
    return when >= end - SLACK && (reason === 'refused' || reason === 'connect-failed' || (broke && fresh));
  };
  return reports.flatMap(({ lost }) =>
    lost
      .filter((loss) => !isExcused(loss))
      .slice(0, 5)
      .map((loss) => `lost at ${new Date(began + loss.at).toISOString()}: ${JSON.stringify(loss)}`),
  );
}

const isStop = ({ signal }: Sent) => signal === 'SIGTERM' || signal === 'SIGINT';

/** Whether a signal may end the service: see the oracle. */
function stopsService(cause: Sent, sent: readonly Sent[], told: readonly Told[]): boolean {
  if (!isStop(cause) && cause.signal !== 'SIGKILL') return false;
  const { at, until, pid } = cause;
  const handover = (test: (event: Told) => boolean) =>
    told.filter((event) => event.name === 'handover' && test(event)).at(-1);
  const replaced = handover((event) => event.pid === pid);
  const cameBack = told.some(
    (event) => event.name === 'rollback' && event.pid === pid && event.at < until + SLACK,
  );
  if (replaced && replaced.at < at - SLACK && !cameBack) return false;
  const taken = handover((event) => event.detail.pid === pid);
  const isFirst = !told.some((event) => event.name === 'spawned' && event.detail.pid === pid);
  // A candidate that never took over was not serving.
  if (!isFirst && !(taken && taken.at < until + EFFECT)) return predecessorFell(pid, sent, told);
  if (isStop(cause) || isFirst || !taken) return true;
  const committed = told.some(
    ({ name, pid, at: when }) =>
      name === 'committed' && pid === taken.pid && when < until + SLACK && when >= taken.at,
  );
  return (
    committed ||
    sent.some(
      (other) =>
        other.pid === taken.pid && ['SIGTERM', 'SIGINT', 'SIGKILL', 'SIGUSR2'].includes(other.signal),
    )
  );
}

/** Whether the process that started this candidate was killed, so that only the candidate was left. */
function predecessorFell(pid: number, sent: readonly Sent[], told: readonly Told[]): boolean {
  const parent = told.find((event) => event.name === 'spawned' && event.detail.pid === pid)?.pid;
  return sent.some((other) => other.pid === parent && (isStop(other) || other.signal === 'SIGKILL'));
}

function runTwice(runLog: string, reports: readonly LoadReport[]): string[] {
  const runs: string[] = existsSync(runLog) ? (readFileSync(runLog, 'utf8').match(/^[\d-]+$/gm) ?? []) : [];
  const answered = reports.reduce((sum, report) => sum + report.answered, 0);
  const twice = runs.filter((n, index) => runs.indexOf(n) !== index);
  if (new Set(runs).size < answered)
    twice.push(`${answered} answers, but only ${new Set(runs).size} requests were run`);
  return twice.length > 0 ? [`run twice: ${twice.slice(0, 5)}`] : [];
}

/** While a process serves, the pid file names the one that answers; a restart that is under way has 5 s to finish. */
async function checkPidFile(
  program: Program,
  port: number,
  pidFile: string,
  faults: string[],
): Promise<void> {
  const answers = async () => {
    const { headers } = await get({ port, path: '/?n=pid', timeout: 3_000 });
    return Number(headers['x-pid']);
  };
  for (const end = performance.now() + 5_000; ; await sleep(100)) {
    const answering = await answers().catch(() => undefined);
    const named = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : undefined;
    if (answering === undefined || answering === named) return;
    if (performance.now() < end) continue;
    if (program.pids().includes(answering)) faults.push(`${answering} answers, the pid file names ${named}`);
    return;
  }
}

async function goneWithin(program: Program, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; program.pids().length > 0; await sleep(200))
    if (performance.now() > end) return false;
  return true;
}

function canBind(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
