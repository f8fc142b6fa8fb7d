export * from '@endless/core';
export { type EndlessExpress, endless } from './middleware.js';
