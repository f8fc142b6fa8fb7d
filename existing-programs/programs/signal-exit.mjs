import { onExit } from 'signal-exit';
import { cleaned, port, server } from './service.mjs';

onExit(() => cleaned());
server.listen(port);
