import type { EndlessError } from '../errors.js';
import { messageOf } from '../errors.js';
import { successorCommand } from '../handoff/spawn.js';
import type { ListeningSocket, Successor } from '../handoff/successor.js';
import { rollbackTime } from '../handoff/times.js';
import { keepPathsOf } from '../handoff/unix-sockets.js';
import { label } from '../listen/address.js';
import type { KeptPaths } from '../listen/kept-paths.js';
import { SlowStart } from '../migrate/slow-start.js';
import type { World } from '../world.js';
import { Attempt } from './attempt.js';
import type { Handover, RestartContext, RestartRequest, RestartResult } from './context.js';
import { afterCommit, afterRollback, inWindow } from './messages.js';
import { runPreHooks } from './pre-hooks.js';
import type { Retiring } from './retiring.js';
import type { Stage } from './stage.js';
import { Standby } from './standby.js';

/** The outcome of the start: a handover to a successor that accepts, or the reason why it failed. */
type Start = { type: 'started'; handover: Handover } | { type: 'failed'; error: EndlessError };

/** One restart: what the old process does from the request until it drains, or serves on. */
export class Restart {
  /** Resolves when the successor accepts; rejects if no successor does. */
  readonly accepted: Promise<RestartResult>;
  /** Resolves when this process drains, or serves on. */
  readonly over: Promise<void>;
  stage: Stage = { name: 'waiting' };
  /** Whether another restart was requested, which this process makes if it serves on. */
  again = false;
  /** The process that has taken over, unless that was rolled back. */
  successor: Successor | undefined;
  /** Whether it serves every address of this process. */
  servesAll = false;
  /** Whether no successor accepted, or its handover was rolled back. */
  failed = false;
  readonly #context: RestartContext;
  readonly #retiring: Retiring;
  readonly #request: RestartRequest;
  #stopped: EndlessError | undefined;
  #cancelled: EndlessError | undefined;

  constructor(context: RestartContext, retiring: Retiring, request: RestartRequest) {
    this.#context = context;
    this.#retiring = retiring;
    this.#request = request;
    let accept: (result: RestartResult) => void = () => {};
    let fail: (error: EndlessError) => void = () => {};
    this.accepted = new Promise((resolve, reject) => {
      [accept, fail] = [resolve, reject];
    });
    this.over = this.#story(accept, fail);
  }

  async #story(accept: (result: RestartResult) => void, fail: (error: EndlessError) => void): Promise<void> {
    const { world, log, settings, events, servers, olders } = this.#context;
    const { signal } = this.#request;
    const began = world.now();

    // 1. A successor starts on the same listening sockets; this process serves as before.
    const start = await this.#start();
    if (start.type === 'failed') {
      this.stage = { name: 'over' };
      if (!this.#stopped) this.#keep(() => events.emit('failed', { error: start.error }));
      fail(start.error);
      return;
    }

    // 2. It accepts: it is the newest process.
    const { successor, paths, handed } = start.handover;
    const { pid, generation } = successor;
    const departure = this.#context.createDeparture(signal, start.handover);
    const result = { pid, generation, durationMs: world.now() - began };
    this.successor = successor;
    olders.tellNewest(pid);
    successor.release();
    if (this.again) successor.send({ type: 'restart-again' });
    log.info(`pid ${pid}, generation ${generation}, has taken over.`);
    events.emit('handover', { ...result });

    // 3. This process stands by: it accepts nothing, and can still take over again.
    const standby = new Standby(this.#context, successor, departure);
    const accepted = { ...this.#context, successor, departure };
    this.stage = { name: 'window', standby };
    const leaving = servers.all().filter(({ bound }) => bound && handed.has(label(bound)));
    const opened = standby.begin(leaving, inWindow(accepted, standby, this));
    paths.check();
    if (opened) accept(result);
    const verdict = await standby.verdict;

    // 4a. The successor has failed: the servers accept again already, and the rest is undone here.
    if (verdict.type === 'rolled-back') {
      const { error, alive } = verdict;
      this.stage = { name: 'over' };
      this.successor = undefined;
      void successor.ended.then(() => paths.end());
      olders.tellNewest(world.pid);
      this.#keep(() => {
        if (alive) this.#retiring.add(successor, settings.current.hammerTime);
        successor.inbox.open(afterRollback(accepted));
        const connections = departure.moved;
        log.error(messageOf(error));
        log.warn(
          `Rolled back: this process, pid ${world.pid}, serves again. ${connections} connections had moved to pid ${pid}.`,
        );
        events.emit('rollback', { pid, generation, reason: error.message, error, connections });
      });
      return;
    }

    // 4b. The successor stays: this process drains.
    paths.check();
    paths.release();
    successor.send({ type: 'committed' });
    events.emit('committed', { pid, generation });
    this.stage = { name: 'over' };
    const shutdown = this.#context.drain(signal, standby, handed);
    successor.inbox.open(afterCommit(accepted, shutdown));
    if (!opened) accept(result);
  }

  /** From the request until the successor accepts; each step may fail, and leaves this process as it was. */
  async #start(): Promise<Start> {
    const { signal, generation, surroundings, predecessorCommitted } = this.#request;
    const { world, log, settings, servers, closeNow } = this.#context;
    const limits = settings.current;
    let paths: KeptPaths | undefined;
    try {
      await predecessorCommitted;
      this.#enter({ name: 'hooks', long: false });
      await runPreHooks(this.#context, signal, settings.current.startTimeout, () => {
        this.stage = { name: 'hooks', long: true };
        closeNow();
      });
      this.#enter({ name: 'starting' });
      // Not before: the idle connections of the predecessor have arrived by now.
      const slowStart = new SlowStart(world, servers.all(), rollbackTime(settings.current));
      await nextTurn(world);
      const command = successorCommand(settings.current.restart);
      await nextTurn(world);
      this.#enter({ name: 'starting' });
      // Not before: a hook may have opened or closed a server.
      const kept = keepPathsOf(this.#listeningSockets(), world, log);
      paths = kept.paths;
      paths.keepFromRemoval();
      paths.watch();
      // Not before: a deploy that waits for this log line may remove a path.
      log.info(`Received ${signal}. forking.`);
      const { listeningSockets } = kept;
      const request = { command, generation: generation + 1, surroundings, listeningSockets, paths, limits };
      const attempt = new Attempt(this.#context, request);
      this.#enter({ name: 'starting', attempt });
      const outcome = await attempt.run();
      if (outcome.type === 'failed') throw outcome.error;
      const { successor, dropped } = outcome;
      const labels = listeningSockets.map(({ bound }) => label(bound));
      const handed = new Set(labels.filter((address) => !dropped.includes(address)));
      this.servesAll = servers.all().every(({ bound }) => !bound || handed.has(label(bound)));
      return { type: 'started', handover: { successor, slowStart, paths, handed } };
    } catch (error) {
      paths?.end();
      return { type: 'failed', error: error as EndlessError };
    }
  }

  #listeningSockets(): ListeningSocket[] {
    const { listeningSockets, ambiguous } = this.#context.servers.listeningSockets();
    if (ambiguous.length > 0)
      this.#context.log.warn(
        `${ambiguous.join(', ')} cannot be handed over: several servers asked for port 0. Give them ports of their own.`,
      );
    return listeningSockets;
  }

  /** Enters a stage; throws if this process has begun to stop meanwhile, or the restart was cancelled. */
  #enter(stage: Stage): void {
    const error = this.#stopped ?? this.#cancelled;
    if (error) throw error;
    this.stage = stage;
  }

  /** This process serves on, and restarts at once if that was requested meanwhile. */
  #keep(report: () => void): void {
    const { world, log, keep, restartAgain } = this.#context;
    this.failed = true;
    // Also if no successor accepted: a candidate may have exited after it had written the pid file.
    keep();
    report();
    if (!this.again) return;
    log.info('Restarting again: another restart was requested meanwhile.');
    world.turn(() => restartAgain(this.#request.signal));
  }

  /** Gives up on a candidate with this error, unless that may accept already. */
  cancel(error: EndlessError): void {
    const attempt = this.stage.name === 'starting' ? this.stage.attempt : undefined;
    if (attempt?.crossing) return;
    this.#cancelled = error;
    attempt?.abort(error);
  }

  /** This process stops: gives up on a candidate with this error. */
  stop(error: EndlessError): void {
    this.#stopped = error;
    if (this.stage.name === 'starting') this.stage.attempt?.abort(error);
  }
}

/** Answers requests between the steps to a spawn, which would otherwise block as long as the spawn itself. */
const nextTurn = (world: World) => new Promise<void>((resolve) => world.turn(resolve));
