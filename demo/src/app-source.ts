/** The two ways to restart that the demo compares. */
export type Variant = 'endless' | 'ordinary';

/** Returns the program of a user: the same app, restarted by endless or by the process that started it. */
export function appSource(variant: Variant, version: number): string {
  return variant === 'endless' ? endlessApp(version) : ordinaryApp(version);
}

function endlessApp(version: number): string {
  return `import express from 'express';
import { endless } from '@endless/express';

const VERSION = 'v${version}';
const app = express();
app.use(endless());
${routes('endless.generation')}
app.listen(Number(process.env.PORT), '127.0.0.1', () => {
  console.log(\`\${VERSION} listens, pid \${process.pid}\`);
});
`;
}

function ordinaryApp(version: number): string {
  return `import express from 'express';

const VERSION = 'v${version}';
const app = express();
${routes(`${version - 1}`)}
const server = app.listen(Number(process.env.PORT), '127.0.0.1', () => {
  console.log(\`\${VERSION} listens, pid \${process.pid}\`);
});

process.on('SIGTERM', () => {
  server.close(() => process.exit());
});
`;
}

function routes(generation: string): string {
  return `
app.use((request, response, next) => {
  response.set({ 'x-generation': ${generation}, 'x-version': VERSION });
  next();
});

app.get('/hello/:n', (request, response) => {
  response.json({ hello: request.params.n, version: VERSION, pid: process.pid });
});

app.get('/slow/:n', (request, response) => {
  setTimeout(() => response.json({ slow: request.params.n, version: VERSION }), 300);
});

app.get('/stream/:n', (request, response) => {
  let chunk = 0;
  const timer = setInterval(() => {
    response.write(\`chunk \${++chunk} of 5\\n\`);
    if (chunk < 5) return;
    clearInterval(timer);
    response.end(\`end of \${request.params.n} from \${VERSION}\\n\`);
  }, 40);
  response.on('close', () => clearInterval(timer));
});

app.post('/upload/:n', (request, response) => {
  let bytes = 0;
  request.on('data', (chunk) => {
    bytes += chunk.length;
  });
  request.on('end', () => response.json({ uploaded: request.params.n, bytes, version: VERSION }));
});
`;
}
