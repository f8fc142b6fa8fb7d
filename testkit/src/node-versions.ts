import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

/** A Node.js binary that can run programs. */
export interface NodeBinary {
  version: string;
  major: number;
  path: string;
}

/** Lists the Node.js binaries of the workspace member `node-versions` that are installed here, oldest first. */
export function nodeBinaries(): NodeBinary[] {
  const require = createRequire(new URL('../../node-versions/package.json', import.meta.url));
  return PACKAGES.flatMap((name) => {
    const manifest = tryResolve(require, `${name}/package.json`);
    if (manifest === undefined) return [];
    const binary = path.join(path.dirname(manifest), 'bin', 'node');
    if (!existsSync(binary)) return [];
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
    return [{ version, major: Number.parseInt(version, 10), path: binary }];
  });
}

/**
 * The Node.js versions on which the tests of each suite run: the default suite uses the one that runs the tests, the long
 * suite (LONG_SUITE) the others.
 */
export function testedNodes(): NodeBinary[] {
  const own: NodeBinary = {
    version: process.versions.node,
    major: Number.parseInt(process.versions.node, 10),
    path: process.execPath,
  };
  return process.env.LONG_SUITE ? nodeBinaries().filter(({ version }) => version !== own.version) : [own];
}

const PACKAGES = ['node-20', 'node-22', 'node-24', 'node-26'];

// Optional packages are absent on other platforms, and in an installation without them.
function tryResolve(require: NodeJS.Require, request: string): string | undefined {
  try {
    return require.resolve(request);
  } catch {
    return undefined;
  }
}
