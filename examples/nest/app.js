// The application: nothing in it knows of endless.
import { Controller, Get, Module } from '@nestjs/common';

class HelloController {
  hello() {
    return `Hello from pid ${process.pid}\n`;
  }
}

export class AppModule {}

// What TypeScript makes of `@Get()`, `@Controller()` and `@Module({ ... })`.
const { hello } = HelloController.prototype;
Get()(HelloController.prototype, 'hello', { value: hello });
Controller()(HelloController);
Module({ controllers: [HelloController] })(AppModule);
