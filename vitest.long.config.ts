import { suite } from './vitest.config.ts';

/** Races that run many times, every Node.js version, other people's programs, whole tables: `pnpm test:long`. */
export default suite({ long: true });
