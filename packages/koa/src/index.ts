export * from '@endless/core';
export { type EndlessKoa, endless } from './middleware.js';
