import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { freePort, rawExchange } from '@endless/testkit';
import { onTestFinished } from 'vitest';
import { temporaryFolder, until } from './program.js';

/** A proxy in front of a server. */
export interface Proxy {
  port: number;
  /** The failed connections to the server in the proxy's own records: every figure should be 0. */
  troubles(): Promise<Record<string, number>>;
  /** How many connections it has opened to the server, if it counts them. */
  opened(): Promise<number | undefined>;
}

/** Starts a proxy in front of the server at this port. */
export type StartProxy = (backend: number) => Promise<Proxy>;

// Debian keeps both where an ordinary user does not look.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

/** Whether a program is installed. */
export function has(program: string): boolean {
  return spawnSync(program, ['-v'], { env }).status === 0;
}

/** HAProxy; a connection to the server that it has once opened it keeps, and gives to whichever client comes next. */
const haproxy: StartProxy = async (backend) => {
  const folder = temporaryFolder();
  const port = await freePort();
  const socket = path.join(folder, 'stats.sock');
  const config = write(
    folder,
    `global
       nbthread 1
       stats socket ${socket}
     defaults
       mode http
       http-reuse always
       option redispatch
       timeout connect 5s
       timeout client 30s
       timeout server 30s
     listen app
       bind 127.0.0.1:${port}
       server one 127.0.0.1:${backend} pool-low-conn 1000 pool-purge-delay 10m
    `,
  );
  run('haproxy', ['-db', '-f', config]);
  await until(() => accepts(port));
  const figures = async () => csv(await rawExchange(socket, 'show stat app 4 -1\n'));
  return {
    port,
    opened: async () => (await figures()).connect,
    troubles: async () => {
      const { econ, eresp, wretr, wredis, srv_abrt, hrsp_5xx } = await figures();
      return { econ, eresp, wretr, wredis, srv_abrt, hrsp_5xx } as Record<string, number>;
    },
  };
};

/** nginx, which logs the result of each request to the server, and does not retry. */
const nginx: StartProxy = async (backend) => {
  const folder = temporaryFolder();
  const port = await freePort();
  const log = path.join(folder, 'access.log');
  const errors = path.join(folder, 'error.log');
  const config = write(
    folder,
    `daemon off;
     master_process off;
     pid ${folder}/nginx.pid;
     error_log ${errors} warn;
     events { worker_connections 1024; }
     http {
       ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
       log_format outcome '$status $upstream_status';
       access_log ${log} outcome;
       keepalive_requests 1000000000;
       upstream app {
         server 127.0.0.1:${backend} max_fails=0;
         keepalive 1000;
         keepalive_requests 1000000000;
         keepalive_timeout 10m;
       }
       server {
         listen 127.0.0.1:${port};
         location / {
           proxy_pass http://app;
           proxy_http_version 1.1;
           proxy_set_header Connection "";
           proxy_next_upstream off;
         }
       }
     }
    `,
  );
  run('nginx', ['-p', folder, '-c', config]);
  await until(() => accepts(port));
  const lines = (file: string) => readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return {
    port,
    opened: async () => undefined,
    troubles: async () => ({
      failed: lines(log).filter((line) => line !== '200 200').length,
      errors: lines(errors).length,
    }),
  };
};

/** Every proxy, by the name of its program. */
export const PROXIES = Object.entries({ haproxy, nginx });

function write(folder: string, text: string): string {
  const file = path.join(folder, 'config');
  writeFileSync(file, `${text.trimEnd()}\n`);
  return file;
}

/** Runs a program in the foreground, as the user of the tests, until the test ends. */
function run(command: string, args: string[]): void {
  const child = spawn(command, args, { env, stdio: ['ignore', 'inherit', 'inherit'] });
  const gone = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await gone;
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** The first row of a table with a head: its numbers by their names. */
function csv(text: string): Record<string, number> {
  const [head = '', row = ''] = text.split('\n');
  const values = row.split(',');
  return Object.fromEntries(
    head
      .replace(/^# /, '')
      .split(',')
      .map((name, at) => [name, Number(values[at])]),
  );
}
