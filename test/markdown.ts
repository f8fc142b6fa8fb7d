import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The packages that are published, in `packages/`. */
export const PACKAGES = ['core', 'express', 'koa', 'fastify', 'ws', 'cli'];

/** Reads a file of the repository. */
export function read(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

/** A fenced block of a page, with the line on which it begins. */
export interface Block {
  language: string;
  text: string;
  line: number;
}

/** The fenced blocks of a page, in order. */
export function blocksOf(page: string): Block[] {
  return [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1] as string,
    text: match[2] as string,
    line: page.slice(0, match.index).split('\n').length,
  }));
}

/** The rows of the tables that begin with this heading, each as its cells. */
export function rowsOf(page: string, heading: string): string[][] {
  const rows: string[][] = [];
  let within = false;
  for (const line of page.split('\n')) {
    const cells = line.startsWith('|') ? line.split('|').slice(1, -1) : undefined;
    if (!cells) within = false;
    else if (cells[0]?.trim() === heading) within = true;
    else if (within && !/^[\s:-]*$/.test(cells[0] ?? '')) rows.push(cells.map((cell) => cell.trim()));
  }
  if (rows.length === 0) throw new Error(`no table begins with ${heading}`);
  return rows;
}

/** The first code span of a cell. */
export function code(cell: string | undefined): string {
  return /`([^`]+)`/.exec(cell ?? '')?.[1] ?? '';
}

/** The headings of a page, as the part of a link behind the `#`. */
export function anchorsOf(page: string): string[] {
  const headings = page.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, text]) =>
    (text as string)
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(/\s/g, '-'),
  );
}
