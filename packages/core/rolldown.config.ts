import { defineConfig } from 'rolldown';

/**
 * Makes what is run and published of core out of its sources: one file for each way in, and one for what they share. To load
 * seventy modules one by one would be a quarter of the time that a restart takes (docs/decisions/011-one-file.md).
 */
const common = { platform: 'node', external: /^node:/ } as const;
const output = {
  dir: 'packages/core/bundle',
  // The sources themselves go along.
  sourcemap: true,
  sourcemapExcludeSources: true,
  comments: false,
} as const;

export default defineConfig([
  {
    ...common,
    input: {
      index: 'packages/core/src/index.ts',
      adapter: 'packages/core/src/adapter.ts',
      register: 'packages/core/src/register.ts',
    },
    output: { ...output, format: 'esm', chunkFileNames: 'core.js' },
  },
  {
    ...common,
    // The supervisor loads this file alone: shared with the others, it would be the whole of core.
    input: { internal: 'packages/core/src/internal.ts' },
    output: { ...output, format: 'esm' },
  },
  {
    ...common,
    input: { preload: 'packages/core/src/handoff/preload.cts' },
    output: { ...output, format: 'cjs', entryFileNames: '[name].cjs', banner: '"use strict";' },
  },
]);
