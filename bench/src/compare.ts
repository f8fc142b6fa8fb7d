import { KeepAliveLoad } from './keep-alive-load.js';
import { type Contender, ServerProcess } from './server-process.js';
import { type Estimate, median, medianOfGroups } from './statistics.js';

/** How long and how precisely two servers are compared. */
export interface Effort {
  /** Pairs of slices that one pair of processes serves. */
  pairsPerRound: number;
  /** Rounds before the interval is looked at. */
  leastRounds: number;
  /** The comparison ends when the interval of the CPU ratio is no wider than this, ... */
  widest: number;
  /** ... or after so many milliseconds. */
  longest: number;
  /** Requests before the first slice; after 20,000 a new process is hardly getting faster any more. */
  warmUp: number;
}

/** What came of a comparison of the second server with the first. */
export interface Comparison {
  pairs: number;
  rounds: number;
  /** Median microseconds of CPU time per request, of each of the two. */
  cpuPerRequest: [number, number];
  /** CPU time per request of the second over that of the first. */
  cpuRatio: Estimate;
  /** Requests per second of the second over those of the first. */
  throughputRatio: Estimate;
}

interface Slice {
  cpu: number;
  time: number;
}
type Pair = [first: Slice, second: Slice];

const CONNECTIONS = 24;
const REQUESTS_PER_SLICE = 3_000;
/** Pairs that do not count: the server that was warmed up first has cooled down meanwhile. */
const WARM_UP_PAIRS = 2;

/**
 * Compares two servers that run beside each other, in short slices that alternate, so that whatever else happens on the
 * machine happens to both.
 *
 * Two processes of the very same program differ by a few percent for as long as they live, by what was compiled when and
 * where memory came to lie. More pairs of the same two would measure that, ever more precisely; so each round starts two
 * new ones.
 */
export async function compare(contenders: [Contender, Contender], effort: Effort): Promise<Comparison> {
  const deadline = performance.now() + effort.longest;
  const rounds: Pair[][] = [];
  for (;;) {
    rounds.push(await runRound(contenders, effort, rounds.length % 2 === 1));
    const isLate = performance.now() > deadline;
    // Which of the two comes first leaves a trace, which an even number of rounds takes out again.
    if (rounds.length % 2 === 1 || (rounds.length < effort.leastRounds && !isLate)) continue;
    const comparison = summaryOf(rounds);
    const { low, high } = comparison.cpuRatio;
    if (high - low <= effort.widest || isLate) return comparison;
  }
}

async function runRound(
  contenders: [Contender, Contender],
  { pairsPerRound, warmUp }: Effort,
  isReversed: boolean,
): Promise<Pair[]> {
  const started: Subject[] = [];
  try {
    const start = async (contender: Contender) => {
      const subject = await Subject.start(contender, warmUp);
      started.push(subject);
      return subject;
    };
    const [first, second] = await inOrder(
      isReversed,
      () => start(contenders[0]),
      () => start(contenders[1]),
    );
    const result: Pair[] = [];
    for (let pair = 0; pair < WARM_UP_PAIRS + pairsPerRound; pair++) {
      const isSwapped = (pair % 2 === 1) !== isReversed;
      result.push(
        await inOrder(
          isSwapped,
          () => first.slice(),
          () => second.slice(),
        ),
      );
    }
    return result.slice(WARM_UP_PAIRS);
  } finally {
    await Promise.all(started.map((subject) => subject.stop()));
  }
}

/** A warm server under comparison, with the load on it. */
class Subject {
  readonly #server: ServerProcess;
  readonly #load: KeepAliveLoad;

  private constructor(server: ServerProcess, load: KeepAliveLoad) {
    this.#server = server;
    this.#load = load;
  }

  static async start(contender: Contender, warmUp: number): Promise<Subject> {
    const server = await ServerProcess.start(contender);
    try {
      const load = await KeepAliveLoad.open(server.port, CONNECTIONS);
      await load.run(warmUp);
      return new Subject(server, load);
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  async slice(): Promise<Slice> {
    const before = await this.#server.cpuTime();
    const time = await this.#load.run(REQUESTS_PER_SLICE);
    return { cpu: (await this.#server.cpuTime()) - before, time };
  }

  async stop(): Promise<void> {
    this.#load.close();
    await this.#server.stop();
  }
}

/** Does both, one after the other, in this order or the other; what they give comes in this order. */
async function inOrder<Result>(
  isReversed: boolean,
  first: () => Promise<Result>,
  second: () => Promise<Result>,
): Promise<[Result, Result]> {
  if (!isReversed) return [await first(), await second()];
  const result = await second();
  return [await first(), result];
}

function summaryOf(rounds: readonly Pair[][]): Comparison {
  const pairs = rounds.flat();
  const cpuPerRequest = (side: 0 | 1) => median(pairs.map((pair) => pair[side].cpu)) / REQUESTS_PER_SLICE;
  const ratios = (ratioOf: (pair: Pair) => number) =>
    medianOfGroups(rounds.map((round) => round.map(ratioOf)));
  return {
    pairs: pairs.length,
    rounds: rounds.length,
    cpuPerRequest: [cpuPerRequest(0), cpuPerRequest(1)],
    cpuRatio: ratios(([first, second]) => second.cpu / first.cpu),
    throughputRatio: ratios(([first, second]) => first.time / second.time),
  };
}
