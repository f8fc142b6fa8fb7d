import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { hup, serve } from '@endless/conformance';
import { freePort, get, startProgram } from '@endless/testkit';
import { onTestFinished } from 'vitest';
import { has } from '../../core/test/proxies.js';
import { fixture, temporaryFolder, until } from './program.js';

/** A server, and its own way to restart. */
export interface Restarts {
  port: number;
  /** Resolves once no process from before the restart is left. */
  restart(): Promise<void>;
}

/** A kind of server. */
export interface Kind {
  name: string;
  /** Whether its program is there. */
  isHere: boolean;
  start(): Promise<Restarts>;
}

// Debian keeps some of them where an ordinary user does not look.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
const PM2 = createRequire(new URL('../../../bench/package.json', import.meta.url)).resolve('pm2/bin/pm2');
/** A server that SIGTERM and SIGINT end at once. */
const PLAIN = 'drill/stop-and-start.mjs';

const endless = async (): Promise<Restarts> => {
  const { program, port } = await serve(fixture('endless.mjs'));
  const restart = async () => {
    await hup(program);
    await program.waitForPids(1);
  };
  return { port, restart };
};

const cluster = async (): Promise<Restarts> => {
  const { program, port } = await serve(fixture('drill/rolling-cluster.mjs'));
  const restart = async () => {
    const after = program.stdout.length;
    program.signal('SIGHUP');
    await program.waitFor('rolled', { from: 'stdout', after });
  };
  return { port, restart };
};

const pm2 = async (): Promise<Restarts> => {
  const port = await freePort();
  const own = { PM2_HOME: temporaryFolder(), PM2_DISABLE_VERSION_CHECK: 'true', PORT: String(port) };
  const manager = startProgram(PM2, {
    args: ['start', fixture('drill/pm2.config.cjs'), '--no-daemon'],
    env: own,
  });
  onTestFinished(() => manager.stop());
  await answers(port);
  // The manager and two workers: the second one starts after the first.
  await manager.waitForPids(3);
  const restart = async () => {
    const before = manager.pids();
    const command = startProgram(PM2, { args: ['reload', 'drilled'], env: own });
    onTestFinished(() => command.stop());
    const { code } = await command.exited;
    if (code !== 0) throw new Error(`pm2 reload failed:\n${command.output}\n${manager.output}`);
    await until(() => {
      const living = manager.pids();
      return living.length === 3 && living.filter((pid) => before.includes(pid)).length === 1;
    }, 15_000);
  };
  return { port, restart };
};

const nginx = async (): Promise<Restarts> => {
  const [{ port: server }, port, folder] = [await serve(fixture(PLAIN)), await freePort(), temporaryFolder()];
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const config = file(
    folder,
    'nginx.conf',
    `daemon off;
     pid ${folder}/nginx.pid;
     error_log ${folder}/error.log;
     events {}
     http {
       ${paths.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
       access_log off;
       server {
         listen 127.0.0.1:${port};
         keepalive_requests 1000000000;
         location / { proxy_pass http://127.0.0.1:${server}; }
       }
     }
    `,
  );
  const restart = master('nginx', ['-p', folder, '-c', config], 'SIGHUP');
  await answers(port);
  return { port, restart };
};

const haproxy = async (): Promise<Restarts> => {
  const [{ port: server }, port, folder] = [await serve(fixture(PLAIN)), await freePort(), temporaryFolder()];
  const config = file(
    folder,
    'haproxy.cfg',
    `global
       nbthread 1
       hard-stop-after 10s
     defaults
       mode http
       timeout connect 5s
       timeout client 30s
       timeout server 30s
     listen app
       bind 127.0.0.1:${port}
       server one 127.0.0.1:${server}
    `,
  );
  const restart = master('haproxy', ['-W', '-db', '-f', config], 'SIGUSR2');
  await answers(port);
  return { port, restart };
};

const gunicorn = async (): Promise<Restarts> => {
  const [port, folder] = [await freePort(), temporaryFolder()];
  file(
    folder,
    'app.py',
    `import time
def app(environ, start_response):
    time.sleep(0.02)
    start_response('200 OK', [('Content-Length', '2')])
    return [b'ok']
`,
  );
  const workers = ['--workers', '2', '--worker-class', 'gthread', '--threads', '16'];
  const times = ['--keep-alive', '60', '--graceful-timeout', '2'];
  const words = ['--chdir', folder, '--bind', `127.0.0.1:${port}`, ...workers, ...times, 'app:app'];
  const restart = master('gunicorn', words, 'SIGHUP');
  await answers(port);
  return { port, restart };
};

/** Each kind of server that a drill is compared with. */
export const KINDS: readonly Kind[] = [
  { name: 'endless', isHere: true, start: endless },
  { name: 'node:cluster, rolling', isHere: true, start: cluster },
  { name: 'PM2, reload', isHere: true, start: pm2 },
  { name: 'nginx in front, reload', isHere: has('nginx'), start: nginx },
  { name: 'HAProxy in front, reload', isHere: has('haproxy'), start: haproxy },
  { name: 'gunicorn, SIGHUP', isHere: has('gunicorn'), start: gunicorn },
];

/**
 * Starts a process whose children do the work, and which replaces them at a signal; returns how. By pid: these programs
 * write over their environment, by which the testkit finds processes.
 */
function master(command: string, args: string[], signal: NodeJS.Signals): () => Promise<void> {
  const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'ignore'] });
  const exited = once(child, 'exit');
  const pid = child.pid ?? -1;
  const children = () =>
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  onTestFinished(async () => {
    const late = setTimeout(() => {
      for (const each of children()) process.kill(Number(each), 'SIGKILL');
      child.kill('SIGKILL');
    }, 5_000);
    // It ends its children first.
    child.kill('SIGTERM');
    await exited;
    clearTimeout(late);
  });
  return async () => {
    const before = children();
    child.kill(signal);
    await until(() => {
      const now = children();
      return now.length >= before.length && !now.some((each) => before.includes(each));
    }, 15_000);
  };
}

function file(folder: string, name: string, text: string): string {
  const whole = path.join(folder, name);
  writeFileSync(whole, `${text.trimEnd()}\n`);
  return whole;
}

async function answers(port: number): Promise<void> {
  const status = () =>
    get({ port }).then(
      (response) => response.status,
      () => 0,
    );
  await until(async () => (await status()) === 200, 15_000);
}
