export * from '@endless/core';
// Fastify loads plugins by their default export too.
export { type EndlessFastify, endless, endlessPlugin, endlessPlugin as default } from './plugin.js';
