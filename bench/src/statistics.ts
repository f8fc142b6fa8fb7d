/** A figure with its 95 % interval. */
export interface Estimate {
  value: number;
  low: number;
  high: number;
}

const RESAMPLES = 2_000;

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2;
}

/**
 * Estimates the median of grouped values, with a bootstrap over the groups.
 *
 * Values of one group were measured on the same two processes and share their luck, so whole groups are drawn, and from
 * each group drawn as many of its values as it has: drawing values as if they were independent would promise too much.
 */
export function medianOfGroups(groups: readonly (readonly number[])[]): Estimate {
  const random = mulberry32(1);
  return estimate(median(groups.flat()), () => {
    const drawn: number[] = [];
    for (let count = 0; count < groups.length; count++) {
      const group = pick(groups, random);
      for (let size = 0; size < group.length; size++) drawn.push(pick(group, random));
    }
    return median(drawn);
  });
}

/** Estimates how much larger the median of the first values is than that of the second, measured in turn. */
export function medianDifference(of: readonly number[], over: readonly number[]): Estimate {
  const random = mulberry32(1);
  const draw = (values: readonly number[]) => values.map(() => pick(values, random));
  return estimate(median(of) - median(over), () => median(draw(of)) - median(draw(over)));
}

function estimate(value: number, resample: () => number): Estimate {
  const resampled = Float64Array.from({ length: RESAMPLES }, resample).sort();
  const at = (share: number) => resampled[Math.round(share * (RESAMPLES - 1))] ?? Number.NaN;
  return { value, low: at(0.025), high: at(0.975) };
}

function pick<Value>(values: readonly Value[], random: () => number): Value {
  return values[Math.floor(random() * values.length)] as Value;
}

/** Random numbers that are the same in each run, so that one set of measurements has one interval. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The median as a text, with the smallest and the largest if there are several. */
export function range(values: readonly number[], digits = 0): string {
  const text = (value: number) => (Number.isFinite(value) ? value.toFixed(digits) : 'never');
  const middle = text(median(values));
  return values.length === 1
    ? middle
    : `${middle} (${text(Math.min(...values))} to ${text(Math.max(...values))})`;
}
