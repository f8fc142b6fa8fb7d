// cd examples/nest && node --require @endless/core/register on-express.js
//
// Restart it as often as you like, under any load: kill -HUP <pid> (endless logs the pid, and so does every answer).
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.js';

const app = await NestFactory.create(AppModule);
await app.listen(process.env.PORT ?? 9090);
