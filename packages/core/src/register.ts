/** `node --require @endless/core/register server.js`: endless for a program that knows nothing of it. */
import { shared } from './one-copy.js';

shared().lifecycle.install({ forGood: true });
