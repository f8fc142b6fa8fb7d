export { endlessWebSockets, stay, type WebSocketsOptions } from './web-sockets.js';
