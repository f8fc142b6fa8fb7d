/**
 * Runs first in a successor, before any module of the application (`node --require`). In a worker of
 * `endless run` core runs it, before the application too.
 *
 * It takes the handoff text out of the environment, so that no grandchild sees it. It takes the IPC channels
 * off `process`, so that the application does not see them. It sends a copy of stderr to the old process, so
 * that the error of a failed restart can show it. It ignores SIGHUP, which would kill a process without
 * handlers.
 *
 * This is the old release's file in the new release's process: it does only this, and passes on one small
 * object.
 *
 * Node.js loads it in each worker thread too, as long as the process runs.
 */
const { isMainThread } = process.getBuiltinModule('node:worker_threads');
const fs = process.getBuiltinModule('node:fs');
const path = process.getBuiltinModule('node:path');

const VARIABLE = 'ENDLESS_HANDOFF';
const ARRIVAL = Symbol.for('endless.arrival');
const SUPERVISOR_VARIABLE = 'ENDLESS_SUPERVISOR';
const SUPERVISION = Symbol.for('endless.supervision');

forgetPreload();
stayForWorkers();
if (isMainThread) take();

function take(): void {
  const supervision = takeSupervisor();
  const text = process.env[VARIABLE];
  if (text === undefined) return;
  delete process.env[VARIABLE];
  const ipc = predecessorOf(text, supervision);
  if (typeof ipc === 'string') {
    Reflect.set(globalThis, ARRIVAL, { refused: ipc });
    return;
  }

  const tell = (text: string) =>
    Reflect.apply(ipc._send, ipc.owner, [{ type: 'stderr', text }, undefined, { swallowErrors: true }]);
  const stopTee = teeStderr(tell);
  const stopTelling = tellUncaught(tell);
  Reflect.set(globalThis, ARRIVAL, {
    text,
    ipc,
    supervised: supervision !== undefined,
    handlersAreIn: ignoreHangups(),
    accepting() {
      stopTee();
      stopTelling();
    },
  });
}

/** Takes the channel to `endless run`, if that has started this process; leaves it for core. */
function takeSupervisor(): { line: unknown } | undefined {
  const text = process.env[SUPERVISOR_VARIABLE];
  if (text === undefined) return undefined;
  delete process.env[SUPERVISOR_VARIABLE];
  const ipc = writerOf(text) === process.ppid ? takeIpc() : undefined;
  if (!ipc) return undefined;
  Reflect.set(globalThis, SUPERVISION, { text, ipc, open: openIpc });
  return JSON.parse(text) as { line: unknown };
}

/** The channel to the process that wrote the handoff, or why the handoff is refused. */
function predecessorOf(text: string, supervision: { line: unknown } | undefined): Ipc | string {
  // The supervisor checks which of its workers it starts a successor for.
  if (supervision)
    return typeof supervision.line === 'number' ? openIpc(supervision.line) : 'it came without a line';
  const writer = writerOf(text);
  if (writer === process.ppid) return takeIpc() ?? 'no channel to the process that wrote it came with it';
  const origin =
    writer === undefined ? 'it does not name the process that wrote it' : `it was written by pid ${writer}`;
  return `${origin}, and the parent of this process is pid ${process.ppid}`;
}

/** Takes this file out of `process.execArgv`: forks of the application must not preload it. */
function forgetPreload(): void {
  const at = process.execArgv.indexOf(__filename);
  if (at > 0 && process.execArgv[at - 1] === '--require') process.execArgv.splice(at - 1, 2);
}

/** Puts this file back before a worker thread starts: a cleaner of temporary folders may have removed it. */
function stayForWorkers(): void {
  const uid = process.geteuid?.();
  const folder = path.dirname(__filename);
  const above = path.dirname(folder);
  // endless may write only the copy in a temporary folder; see `handoff/preload-file.ts`.
  if (path.basename(above) !== `endless-${uid}`) return;
  const text = fs.readFileSync(__filename, 'utf8');
  const isOurs = () =>
    [above, folder]
      .map((each) => fs.lstatSync(each))
      .every((stat) => stat.isDirectory() && stat.uid === uid && (stat.mode & 0o022) === 0);
  const isThere = () => fs.existsSync(__filename) && isOurs() && fs.readFileSync(__filename, 'utf8') === text;
  // Node.js publishes this as the thread starts, long before the thread loads its preloads.
  process.getBuiltinModule('node:diagnostics_channel').subscribe('worker_threads', (message) => {
    try {
      if (isThere()) return;
      for (const each of [above, folder]) if (!fs.existsSync(each)) fs.mkdirSync(each, { mode: 0o755 });
      if (!isOurs()) throw new Error(`${folder} is not ours`);
      const draft = path.join(folder, process.getBuiltinModule('node:crypto').randomUUID());
      fs.writeFileSync(draft, text, { flag: 'wx', mode: 0o644 });
      fs.renameSync(draft, __filename);
    } catch {
      // A file of another program must not run. If there is no file, Node.js reports that.
      if (fs.existsSync(__filename))
        void (message as { worker: { terminate(): unknown } }).worker.terminate();
    }
  });
}

/** The pid of the process that wrote a handoff: a text of another process than the parent must be ignored. */
function writerOf(text: string): number | undefined {
  try {
    const { pid } = JSON.parse(text);
    return typeof pid === 'number' ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Makes an IPC channel of a descriptor, apart from `process`: Node.js has no other way to send handles on one. */
function openIpc(fd: number): Ipc {
  const { _forkChild } = process.getBuiltinModule('node:child_process') as unknown as {
    _forkChild(fd: number, serialization: string): void;
  };
  // An old process opens a channel for each restart that it tries: nothing may pile up on `process`.
  const events = ['newListener', 'removeListener'] as unknown as 'exit'[];
  const before = events.map((event) => process.listeners(event));
  _forkChild(fd, 'json');
  const ipc = takeIpc() as Ipc;
  for (const [at, event] of events.entries())
    for (const listener of process.listeners(event))
      if (!before[at]?.includes(listener)) process.off(event, listener);
  return ipc;
}

/** The channel of this process, with what Node.js writes to it by. */
interface Ipc {
  pipe: { readStop(): void };
  _send: (...args: unknown[]) => void;
  owner: { connected: boolean; channel: object; _handleQueue: null };
}

function takeIpc(): Ipc | undefined {
  const internals = process as unknown as Record<string | symbol, unknown>;
  const key = Object.getOwnPropertySymbols(process).find((symbol) => symbol.description === 'kChannelHandle');
  if (!key || typeof internals._send !== 'function' || !internals[key]) return undefined;
  const pipe = internals[key] as { readStop(): void };
  pipe.readStop();
  const taken = {
    pipe,
    _send: internals._send as (...args: unknown[]) => void,
    owner: { connected: true, channel: {}, _handleQueue: null },
  };
  for (const name of [
    'channel',
    '_channel',
    'connected',
    'send',
    '_send',
    'disconnect',
    '_disconnect',
    '_handleQueue',
    '_pendingMessage',
    key,
  ])
    delete internals[name];
  // Node keeps the channel open for listeners of 'message' or 'disconnect', but the channel is taken.
  for (const [event, name] of [
    ['newListener', 'onNewListener'],
    ['removeListener', 'onRemoveListener'],
  ] as const)
    for (const listener of process.listeners(event as 'exit'))
      if (listener.name === name) process.off(event, listener);
  process.removeAllListeners('internalMessage');
  return taken;
}

function teeStderr(tell: (text: string) => void): () => void {
  const { stderr } = process;
  const write = stderr.write;
  const own = Object.hasOwn(stderr, 'write');
  let told = true;
  const tee = function (this: unknown, chunk: string | Uint8Array, ...rest: unknown[]) {
    if (told) tell(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString());
    return Reflect.apply(write, this, [chunk, ...rest]);
  };
  stderr.write = tee as typeof write;
  return () => {
    told = false;
    if (stderr.write !== tee) return;
    if (own) stderr.write = write;
    else Reflect.deleteProperty(stderr, 'write');
  };
}

/** Sends uncaught errors too: Node does not print them through `process.stderr`. */
function tellUncaught(tell: (text: string) => void): () => void {
  const onUncaught = (error: unknown) => tell(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.on('uncaughtExceptionMonitor', onUncaught);
  return () => process.off('uncaughtExceptionMonitor', onUncaught);
}

function ignoreHangups(): () => void {
  const ignore = () => {};
  process.on('SIGHUP', ignore);
  return () => process.off('SIGHUP', ignore);
}
