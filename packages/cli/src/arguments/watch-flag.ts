import { Command } from 'commander';

/**
 * A command whose flags take an optional value only behind `=`: the next word is the program, and Commander
 * would take it.
 */
export class RunCommand extends Command {
  override parseOptions(words: string[]): { operands: string[]; unknown: string[] } {
    return super.parseOptions(this.#separated(words));
  }

  /** Gives each flag without its optional value an empty one, up to the program. */
  #separated(words: readonly string[]): string[] {
    const separated: string[] = [];
    const rest = [...words];
    while (rest[0]?.startsWith('-') && rest[0] !== '--') {
      const word = rest.shift() as string;
      const flag = this.options.find(({ long }) => long === word);
      separated.push(flag?.optional ? `${word}=` : word);
      if (flag?.required) separated.push(...rest.splice(0, 1));
    }
    return [...separated, ...rest];
  }
}
