import { expect, test } from 'vitest';
import { parsePaths } from './values.js';
import { RunCommand } from './watch-flag.js';

/** The operands of a command line, and the value of `--watch`. */
function parse(...words: string[]): [string[], string[] | undefined] {
  const command = new RunCommand('run')
    .option('--workers <count>')
    .option('--watch [=paths]', '', parsePaths)
    .argument('<program...>')
    .passThroughOptions();
  command.parse(words, { from: 'user' });
  return [command.args, command.opts<{ watch?: string[] }>().watch];
}

test('`--watch` takes paths behind `=`, and never the program', () => {
  expect(parse('--watch', 'server.js')).toEqual([['server.js'], []]);
  expect(parse('--watch=src,views', 'server.js')).toEqual([['server.js'], ['src', 'views']]);
  expect(parse('--watch', '--', 'node', '--watch', 'server.js')).toEqual([
    ['node', '--watch', 'server.js'],
    [],
  ]);
  expect(parse('--workers', '--watch', 'server.js')).toEqual([['server.js'], undefined]);
  expect(parse('server.js', '--watch')).toEqual([['server.js', '--watch'], undefined]);
});
