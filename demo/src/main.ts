import type { Variant } from './app-source.js';
import { say, sayGeneration, showComparison, showProgress, showTable, title } from './display.js';
import { type Drill, type DrillResult, RESTARTS, startDrill, unnoticed } from './drill.js';
import { CLIENTS } from './load-mix.js';
import { PATIENCE } from './running-app.js';

const TITLES: Record<Variant, string> = {
  endless: `With endless: a changed app, restarted ${RESTARTS} times by SIGHUP`,
  ordinary: `Without: SIGTERM, server.close(), killed after ${PATIENCE} ms if it has not ended, started again`,
};

let current: Drill | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, leave);

const clients = CLIENTS.keptAlive + CLIENTS.fresh;
say(`An Express app with a short, a slow and a streamed answer and an upload, and ${clients} clients`);
say('that never try again. A request is lost if it is refused, cut, late, wrong or a server error.');
try {
  const endless = await show('endless');
  const ordinary = await show('ordinary');
  showComparison([endless, ordinary]);
  process.exitCode = unnoticed(endless) ? 0 : 1;
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

async function show(variant: Variant): Promise<DrillResult> {
  title(TITLES[variant]);
  current = await startDrill(variant, sayGeneration);
  const hideProgress = showProgress(current);
  const result = await current.finished.finally(hideProgress);
  showTable(result);
  return result;
}

async function leave(signal: NodeJS.Signals): Promise<void> {
  say(`${signal}: stopping what was started`);
  await current?.stop();
  process.exit(signal === 'SIGINT' ? 130 : 143);
}
