/**
 * Runs before the program in each worker of a drill, and writes what the program does to its folder: when it
 * listens, which signals it handles, when it exits with requests in flight. It changes nothing, except that it
 * fails on purpose while the drill asks for it.
 */
const { isMainThread } = process.getBuiltinModule('node:worker_threads');
const fs = process.getBuiltinModule('node:fs');
const path = process.getBuiltinModule('node:path');
const { subscribe } = process.getBuiltinModule('node:diagnostics_channel');

type Response = import('node:http').ServerResponse;

const VARIABLE = 'ENDLESS_DRILL';
const SIGNALS: unknown[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];
/** How many frames of a stack are looked through for one of the program. */
const DEEP = 30;

const folder = process.env[VARIABLE];
// No process of the program itself writes there.
delete process.env[VARIABLE];
if (folder !== undefined && isMainThread) watch(folder);

function watch(folder: string): void {
  if (fs.existsSync(path.join(folder, 'fail')))
    throw new Error('endless drill: this process fails on purpose');
  const file = path.join(folder, 'seen');
  const write = (what: object) => {
    try {
      // One write of a line is whole, also beside other processes.
      fs.appendFileSync(file, `${JSON.stringify({ pid: process.pid, at: Date.now(), ...what })}\n`);
    } catch {
      // The drill has ended.
    }
  };
  watchServers(write);
  watchRequests(write);
  process.on('newListener', (signal, listener) => {
    if (!SIGNALS.includes(signal)) return;
    const where = frameOfProgram();
    if (where !== undefined) write({ type: 'listener', signal, where, calls: callsOf(listener) });
  });
}

function watchServers(write: (what: object) => void): void {
  subscribe('tracing:net.server.listen:asyncEnd', (message) => {
    const { server } = message as { server: import('node:net').Server };
    const address = server.address();
    if (address === null) return;
    const name = typeof address === 'string' ? address : `port ${address.port}`;
    write({ type: 'listening', name, afterMs: Math.round(performance.now()) });
  });
}

function watchRequests(write: (what: object) => void): void {
  const open = new Set<Response>();
  let first = true;
  subscribe('http.server.request.start', (message) => {
    const { response } = message as { response: Response };
    open.add(response);
    response.once('close', () => open.delete(response));
    if (!first) return;
    first = false;
    const began = performance.now();
    response.once('finish', () => {
      write({ type: 'first-response', tookMs: Math.round(performance.now() - began) });
    });
  });
  process.on('exit', (code) => {
    const inFlight = [...open].filter(({ writableFinished }) => !writableFinished).length;
    const where = frameOfProgram();
    write({ type: 'exit', code, inFlight, ...(where === undefined ? {} : { where }) });
  });
}

/** The line of the program, or of a package other than endless, that has called this. */
function frameOfProgram(): string | undefined {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = DEEP;
  const { stack = '' } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  const own = [__filename, path.dirname(process.execArgv[1] ?? __filename)];
  for (const line of stack.split('\n').slice(1)) {
    const [, file, at] = /(?:\(|at |file:\/\/)(\/[^()]*):(\d+):\d+\)?$/.exec(line) ?? [];
    if (file === undefined || own.some((name) => file.startsWith(name)) || file.includes('/@endless/'))
      continue;
    return `${path.relative(process.cwd(), file)}:${at}`;
  }
  return undefined;
}

/** What the text of a listener calls that ends connections or the process. */
function callsOf(listener: unknown): string[] {
  const text = String((listener as { listener?: unknown }).listener ?? listener);
  return [
    ...(/\.close(?:All|Idle)?(?:Connections)?\(/.test(text) ? ['close'] : []),
    ...(/\bexit\(|\bexitCode\b|\breallyExit\(/.test(text) ? ['exit'] : []),
  ];
}
