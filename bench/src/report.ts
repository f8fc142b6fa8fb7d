import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { table } from './table.js';

/** What a benchmark has found: printed at once, and written to a folder as Markdown, JSON and SVG. */
export class Report {
  readonly #name: string;
  readonly #command: string;
  readonly #began = new Date();
  readonly #tables: Table[] = [];
  readonly #notes: string[] = [];
  readonly #charts = new Map<string, string>();
  #raw: unknown;

  constructor(name: string, command: string) {
    this.#name = name;
    this.#command = command;
  }

  /** Shows a table. */
  table(titles: readonly string[], rows: readonly (readonly string[])[]): void {
    this.#tables.push({ titles, rows });
    console.log(`\n${table(titles, rows)}`);
  }

  /** Says what the reader of the tables has to know: what was left out, or made smaller. */
  note(text: string): void {
    this.#notes.push(text);
    console.log(text);
  }

  /** Keeps the figures that the tables were made of. */
  raw(value: unknown): void {
    this.#raw = value;
  }

  /** Adds a picture; its file is called after the benchmark, and this if there are several. */
  chart(svg: string, suffix?: string): void {
    this.#charts.set(suffix === undefined ? this.#name : `${this.#name}-${suffix}`, svg);
  }

  /** Writes everything into a folder. */
  write(folder: string): void {
    mkdirSync(folder, { recursive: true });
    for (const [name, svg] of this.#charts) writeFileSync(path.join(folder, `${name}.svg`), svg);
    const page: Page = {
      benchmark: this.#name,
      command: this.#command,
      began: this.#began.toISOString(),
      seconds: Math.round((Date.now() - this.#began.getTime()) / 1000),
      node: process.version,
      machine: `${os.type()}, ${os.arch()}, ${os.availableParallelism()} cores`,
      tables: this.#tables,
      notes: this.#notes,
      charts: [...this.#charts.keys()],
      raw: this.#raw,
    };
    writeFileSync(path.join(folder, `${this.#name}.json`), `${JSON.stringify(page, undefined, 1)}\n`);
  }
}

interface Table {
  titles: readonly string[];
  rows: readonly (readonly string[])[];
}

interface Page {
  benchmark: string;
  command: string;
  began: string;
  seconds: number;
  node: string;
  machine: string;
  tables: Table[];
  notes: string[];
  charts: string[];
  raw: unknown;
}

/** Writes `results.md`: what these benchmarks have left in the folder, now or in an earlier run. */
export function writeResults(folder: string, benchmarks: readonly string[]): string {
  const file = path.join(folder, 'results.md');
  const pages = benchmarks.flatMap((name) => pageOf(folder, name) ?? []);
  writeFileSync(file, `# Results\n\n${pages.map(markdown).join('\n')}`);
  return file;
}

function pageOf(folder: string, benchmark: string): Page | undefined {
  try {
    return JSON.parse(readFileSync(path.join(folder, `${benchmark}.json`), 'utf8')) as Page;
  } catch {
    return undefined;
  }
}

function markdown(page: Page): string {
  const { benchmark, command, began, seconds, node, machine, tables, notes, charts } = page;
  return [
    `## ${benchmark}\n`,
    `\`${command}\`: ${seconds} s on ${began.slice(0, 10)}, Node.js ${node}, ${machine}.\n`,
    ...tables.map((each) => `${markdownTable(each)}\n`),
    ...notes.map((note) => `${note}\n`),
    ...charts.map((chart) => `![${chart}](${chart}.svg)\n`),
  ].join('\n');
}

function markdownTable({ titles, rows }: Table): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(titles), line(titles.map(() => '---')), ...rows.map(line)].join('\n');
}
