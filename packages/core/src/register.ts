/** `node --require @endless/core/register server.js`: endless for a program that does not import it. */
import { shared } from './one-copy.js';

shared().lifecycle.install({ forGood: true });
