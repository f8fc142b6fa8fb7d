/** Options of Node.js whose value is the next argument. */
const TAKES_VALUE =
  /^(-r|--require|--import|--loader|--experimental-loader|-C|--conditions|--env-file|--env-file-if-exists|--title|--input-type|--icu-data-dir|--openssl-config|--disable-warning|--watch-path|--diagnostic-dir|--report-dir|--report-directory|--cpu-prof-dir|--heap-prof-dir|--max-http-header-size|--localstorage-file)$/;

/** The arguments of `node`, apart: its own options, the script, and the arguments of the script. */
export interface NodeArguments {
  options: string[];
  script: string | undefined;
  args: string[];
}

/** Finds the script among the arguments of `node`; undefined if it runs code of the command line. */
export function splitNodeArguments(words: readonly string[]): NodeArguments {
  let at = 0;
  while (at < words.length) {
    const word = words[at] as string;
    if (/^(-e|--eval|-p|--print)$/.test(word)) return { options: [...words], script: undefined, args: [] };
    if (word === '--') return apart(words, at, at + 1);
    if (!word.startsWith('-') || word === '-') return apart(words, at, at);
    at += TAKES_VALUE.test(word) ? 2 : 1;
  }
  return { options: [...words], script: undefined, args: [] };
}

function apart(words: readonly string[], options: number, script: number): NodeArguments {
  return { options: words.slice(0, options), script: words[script], args: words.slice(script + 1) };
}
