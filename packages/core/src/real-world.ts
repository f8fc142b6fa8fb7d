import { spawn } from 'node:child_process';
import { debuglog } from 'node:util';
import { builtin } from './builtin.js';
import { Debug } from './debug.js';
import { bindLike } from './handoff/bind-like.js';
import { watchListening } from './listen/watch.js';
import { ipcEndFrom, ipcEndOf, ipcEndOpened } from './node-private/ipc.js';
import { ipcEndAround, ipcEndReopened } from './node-private/pipe.js';
import { hasTerminal, inForeground } from './signals/terminal.js';
import type { World } from './world.js';

/** `setTimeout` takes 31 bits; a longer time would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;
/**
 * Long enough for a timer that does nothing. Timers are whole numbers and end before 2 ** 31 where possible.
 * At the first other number, V8 discards the compiled code of Node's timers, which every request uses.
 */
const ONE_HOUR = 3_600_000;

/**
 * Ignores errors of stderr while lines of endless are being written. A log without a reader must not end the
 * process, and Node.js throws an error that has no listener.
 */
const ignore = () => {};
let unwritten = 0;

function written(): void {
  unwritten -= 1;
  if (unwritten === 0) process.stderr.off('error', ignore);
}

/** The world of a real process. */
export const realWorld: World = {
  pid: process.pid,
  platform: process.platform,
  env: process.env,
  ppid: () => process.ppid,
  now: () => performance.now(),
  date: () => new Date(),
  random: Math.random,
  after(ms, fn) {
    const timer = setTimeout(fn, Math.ceil(Math.min(ms, LONGEST_TIMER))).unref();
    return () => clearTimeout(timer);
  },
  every(ms, fn) {
    const timer = setInterval(fn, Math.ceil(ms)).unref();
    return () => clearInterval(timer);
  },
  turn: (fn) => void setImmediate(fn),
  stayAlive() {
    const timer = setInterval(() => {}, ONE_HOUR);
    return () => clearInterval(timer);
  },
  spawn,
  exit: (status) => process.exit(status),
  setExitCode(status) {
    process.exitCode = status;
  },
  exitCode: () => Number(process.exitCode ?? 0),
  signals: process,
  onSignal(signal, fn) {
    process.prependListener(signal, fn);
    return () => process.off(signal, fn);
  },
  raise: (signal) => void process.kill(process.pid, signal),
  onRaise(fn) {
    const { kill } = process;
    const watched: typeof kill = (pid, signal) => {
      if (pid === process.pid) fn(signal);
      return kill.call(process, pid, signal);
    };
    process.kill = watched;
    return () => {
      if (process.kill === watched) process.kill = kill;
    };
  },
  resources: () => process.getActiveResourcesInfo(),
  rss: () => process.memoryUsage.rss(),
  // A program may have replaced the global `performance` by one that knows only the time.
  loopTime: () => builtin('node:perf_hooks').performance.eventLoopUtilization(),
  inspector() {
    try {
      return builtin('node:inspector').url();
    } catch {
      // This Node.js was built without it.
      return undefined;
    }
  },
  onExit(fn) {
    process.on('exit', fn);
    return () => process.off('exit', fn);
  },
  writeError(text) {
    const { stderr } = process;
    if (unwritten === 0) stderr.on('error', ignore);
    unwritten += 1;
    stderr.write(text, () => setImmediate(written));
  },
  debug: new Debug(debuglog('endless')),
  hasTerminal,
  columns: () => (process.stderr.isTTY && inForeground() ? process.stderr.columns || 80 : undefined),
  watchListening,
  bindLike,
  globals: globalThis,
  ipc: {
    of: ipcEndOf,
    from: ipcEndFrom,
    around: ipcEndAround,
    opened: ipcEndOpened,
    reopened: ipcEndReopened,
  },
  parent: {
    connected: () => process.connected === true,
    // An error is ignored: the closed channel has reported already that the parent is gone.
    send: (message) => void process.send?.(message, undefined, undefined, () => {}),
    onMessage(fn) {
      process.on('message', fn);
      return () => process.off('message', fn);
    },
  },
};
