export { stay, type WebSocketsOptions } from './options.js';
export { endlessWebSockets } from './web-sockets.js';
