import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The systemd service of this process; undefined outside of one, and in a user's session. */
export function unitName(): string | undefined {
  const groups = read('/proc/self/cgroup').split('\n');
  const name = groups.map((line) => path.basename(line)).find((last) => last.endsWith('.service'));
  return name?.startsWith('user@') ? undefined : name;
}

/**
 * Whether the unit of this process has `PIDFile=`, by which systemd finds the newest process. If the unit's
 * files are not found, the `pidFile` of endless is assumed to be for that.
 */
export function knowsPidFile(env: NodeJS.ProcessEnv): boolean {
  const unit = unitName();
  if (unit === undefined) return true;
  const template = unit.replace(/@.*(?=\.service$)/, '@');
  const texts = foldersOf(env).flatMap((folder) =>
    [...new Set([unit, template])].flatMap((name) => textsOf(path.join(folder, name))),
  );
  return texts.length === 0 || texts.some((text) => /^\s*PIDFile\s*=\s*\S/m.test(text));
}

function foldersOf({ HOME, XDG_CONFIG_HOME, XDG_RUNTIME_DIR }: NodeJS.ProcessEnv): string[] {
  const of = (root: string, ...kinds: string[]) => kinds.map((kind) => path.join(root, 'systemd', kind));
  const config = XDG_CONFIG_HOME ?? (HOME && path.join(HOME, '.config'));
  return [
    ...['/etc', '/usr/local/lib', '/usr/lib', '/lib'].flatMap((root) => of(root, 'system', 'user')),
    ...of('/run', 'system', 'user', 'transient', 'generator'),
    ...(config ? of(config, 'user') : []),
    ...(XDG_RUNTIME_DIR ? of(XDG_RUNTIME_DIR, 'user', 'transient') : []),
  ];
}

/** The texts of a unit file and of its drop-ins. */
function textsOf(file: string): string[] {
  let dropIns: string[] = [];
  try {
    dropIns = readdirSync(`${file}.d`).filter((name) => name.endsWith('.conf'));
  } catch {
    // It has no drop-ins.
  }
  return [file, ...dropIns.map((name) => path.join(`${file}.d`, name))].map(read).filter(Boolean);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
