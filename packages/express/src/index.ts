export { endless, type EndlessExpress } from './middleware.js';
export * from '@endless/core';
