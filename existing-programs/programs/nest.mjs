// Nest with its shutdown hooks, on the platform that PLATFORM names.
import 'reflect-metadata';
import { Controller, Get, Module, Req, Res } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { cleaned, listener, port, sleep } from './service.mjs';

class RootController {
  root(request, response) {
    listener(request.raw ?? request, response.raw ?? response);
  }
  async onApplicationShutdown() {
    await sleep(200);
    cleaned();
  }
}
class AppModule {}

// What TypeScript makes of the decorators.
const { prototype } = RootController;
Get()(prototype, 'root', Object.getOwnPropertyDescriptor(prototype, 'root'));
Req()(prototype, 'root', 0);
Res()(prototype, 'root', 1);
Controller()(RootController);
Module({ controllers: [RootController] })(AppModule);

const { FastifyAdapter } = await import('@nestjs/platform-fastify');
const app = await NestFactory.create(
  AppModule,
  ...(process.env.PLATFORM === 'fastify' ? [new FastifyAdapter()] : []),
  { logger: false },
);
app.enableShutdownHooks();
await app.listen(port);
