import { totalmem } from 'node:os';
import { InvalidArgumentError } from 'commander';
import { memoryLimit } from '../program/control-groups.js';

const UNITS = ['k', 'm', 'g', 't'];

/**
 * Bytes of a size as it is typed: `300M`, `1.5G`, or a part of the memory such as `40%`; 0 is no limit. `memory`
 * is what a percentage is of.
 */
export function parseSize(text: string, memory: () => number = availableMemory): number {
  if (text === '0') return 0;
  const [, number, unit = '', percent] = /^(\d+(?:\.\d+)?)(?:([kmgt])(?:i?b)?|(%))$/i.exec(text) ?? [];
  const value = Number(number);
  if (!(value > 0) || (percent && value > 100))
    throw new InvalidArgumentError('Write a size as 300M or 1.5G, or a part of the memory as 40%; 0: none.');
  return Math.round(
    percent ? (memory() * value) / 100 : value * 1_024 ** (UNITS.indexOf(unit.toLowerCase()) + 1),
  );
}

/** The memory of the control group, or of the machine if that is less. */
function availableMemory(): number {
  return Math.min(memoryLimit() ?? Number.POSITIVE_INFINITY, totalmem());
}
