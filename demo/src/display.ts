import pc from 'picocolors';
import type { Drill, DrillResult, Generation, Snapshot } from './drill.js';
import { CLIENTS } from './load-mix.js';

const isTerminal = process.stdout.isTTY === true;
const color = pc.createColors(isTerminal && pc.isColorSupported);

/** Prints a headline. */
export function title(text: string): void {
  say(`\n${color.bold(color.cyan(text))}\n`);
}

/** Prints a line without disturbing the progress line. */
export function say(text: string): void {
  process.stdout.write(`${isTerminal ? CLEAR_LINE : ''}${text}\n`);
}

/** Prints what has just begun to serve. */
export function sayGeneration({ version, pid, restartMs }: Generation): void {
  const how = restartMs === undefined ? 'started' : `restarted in ${Math.round(restartMs)} ms`;
  say(`  ${color.bold(version)} ${how}, pid ${pid}  ${color.dim(`source: const VERSION = '${version}'`)}`);
}

/** Shows how a drill goes on: one living line on a terminal, a line each second elsewhere. Returns the undo. */
export function showProgress(drill: Drill): () => void {
  let before = drill.snapshot();
  const timer = setInterval(
    () => {
      const now = drill.snapshot();
      const line = progressLine(before, now);
      process.stdout.write(isTerminal ? `${CLEAR_LINE}${line}` : `${line}\n`);
      before = now;
    },
    isTerminal ? 250 : 1000,
  );
  return () => {
    clearInterval(timer);
    if (isTerminal) process.stdout.write(CLEAR_LINE);
  };
}

const CLEAR_LINE = '\r\x1b[2K';

function progressLine(before: Snapshot, now: Snapshot): string {
  const rate = ((now.requests - before.requests) * 1000) / (now.elapsedMs - before.elapsedMs);
  const answering = [...now.answers]
    .map(([version, count]) => [version, count - (before.answers.get(version) ?? 0)] as const)
    .filter(([, count]) => count > 0)
    .map(([version]) => version);
  return [
    `  ${(now.elapsedMs / 1000).toFixed(1).padStart(5)} s`,
    `${number(rate).padStart(6)} requests/s`,
    `answered by ${color.bold((answering.join(' and ') || 'nobody').padEnd(9))}`,
    `lost ${losses(now.lost)}`,
  ].join('   ');
}

/** Prints the table of a drill. */
export function showTable({ generations, requests, lost, opened, lostBy }: DrillResult): void {
  const rows = generations.map(({ version, pid, requests: answered, restartMs }) => [
    version,
    String(pid),
    number(answered),
    restartMs === undefined ? '-' : number(restartMs),
  ]);
  const all = [['version', 'pid', 'requests', 'restart (ms)'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  say('');
  for (const [index, row] of all.entries()) {
    const line = row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('   ');
    say(`  ${index === 0 ? color.dim(line) : line}`);
  }
  say('');
  say(`  in all: ${color.bold(number(requests))} requests, ${losses(lost)} lost`);
  say(
    `  connections opened: ${needless(opened.keptAlive)} by the ${CLIENTS.keptAlive} clients that keep theirs, ` +
      `${number(opened.fresh)} by the ${CLIENTS.fresh} that do not`,
  );
  if (lostBy.size > 0) {
    const reasons = [...lostBy].map(([reason, count]) => `${number(count)} ${reason}`);
    say(`  ${color.red('how they were lost:')} ${reasons.join(', ')}`);
  }
}

/** Prints what the two drills have in common, and what not. */
export function showComparison(results: readonly DrillResult[]): void {
  title('The difference');
  for (const { variant, generations, requests, lost } of results) {
    const restarts = generations.flatMap(({ restartMs }) => (restartMs === undefined ? [] : [restartMs]));
    const mean = restarts.reduce((sum, ms) => sum + ms, 0) / Math.max(restarts.length, 1);
    say(
      `  ${color.bold(variant.padEnd(9))} ${restarts.length} restarts of ${number(mean)} ms on average, ` +
        `${number(requests)} requests, ${losses(lost)} lost`,
    );
  }
  say('');
}

function needless(openedByKept: number): string {
  const count = number(openedByKept);
  return openedByKept === CLIENTS.keptAlive ? color.green(count) : color.red(color.bold(count));
}

function losses(count: number): string {
  return count === 0 ? color.green('0') : color.red(color.bold(number(count)));
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
