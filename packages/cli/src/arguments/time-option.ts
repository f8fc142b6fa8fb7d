import { Option } from 'commander';
import { parseTime } from './values.js';

/** A flag that takes a time, whose default is shown as it would be typed. */
export function timeOption(flag: string, description: string, preset?: string, parse = parseTime): Option {
  const option = new Option(`${flag} <time>`, description).argParser(parse);
  return preset === undefined ? option : option.default(parse(preset), preset);
}
