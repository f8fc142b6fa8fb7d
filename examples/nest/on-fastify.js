// cd examples/nest && node --require @endless/core/register on-fastify.js
//
// Restart it as often as you like, under any load: kill -HUP <pid> (endless logs the pid, and so does every answer).
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule } from './app.js';

const app = await NestFactory.create(AppModule, new FastifyAdapter());
await app.listen(process.env.PORT ?? 9090);
