import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const REGISTER = '@endless/core/register';
/** What brings a copy of core that the program itself may not see: npm and pnpm can put it below these. */
const USERS_OF_CORE = ['@endless/express', '@endless/koa', '@endless/fastify', '@endless/ws'];

/**
 * What a worker loads first: `@endless/core/register` of the program's own copy, so that the program and the
 * supervisor use one copy of endless; else the one that came with this command.
 */
export function registerFor(script: string): string {
  const program = createRequire(pathToFileURL(script));
  const own = found(program, REGISTER);
  if (own !== undefined) return own;
  for (const name of USERS_OF_CORE) {
    const user = found(program, name);
    const core = user && found(createRequire(pathToFileURL(user)), REGISTER);
    if (core) return core;
  }
  return createRequire(import.meta.url).resolve(REGISTER);
}

function found(from: NodeJS.Require, name: string): string | undefined {
  try {
    return from.resolve(name);
  } catch {
    return undefined;
  }
}
