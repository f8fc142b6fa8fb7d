/** Options whose value is the next argument, of each version of Node.js: the test compares `node --help`. */
const TAKES_VALUE = new Set(
  `
    --allow-fs-read --allow-fs-write --bench-isolation --bench-name-pattern --bench-reporter
    --bench-reporter-destination --bench-samples --bench-warmup --build-sea --build-snapshot-config -C
    --conditions --cpu-prof-dir --cpu-prof-interval --cpu-prof-name --debug-port --diagnostic-dir
    --disable-proto --disable-warning --dns-result-order --env-file --env-file-if-exists
    --experimental-config-file --experimental-default-type --experimental-loader --experimental-package-map
    --experimental-policy --experimental-sea-config --experimental-test-isolation
    --experimental-test-tag-filter --heap-prof-dir --heap-prof-interval --heap-prof-name
    --heapsnapshot-near-heap-limit --heapsnapshot-signal --icu-data-dir --import --input-type --inspect-port
    --inspect-publish-uid --loader --localstorage-file --max-http-header-size
    --max-old-space-size-percentage --network-family-autoselection-attempt-timeout --openssl-config
    --policy-integrity -r --redirect-warnings --report-dir --report-directory --report-filename
    --report-signal --require --run --secure-heap --secure-heap-min --security-revert --snapshot-blob
    --test-concurrency --test-coverage-branches --test-coverage-exclude --test-coverage-functions
    --test-coverage-include --test-coverage-lines --test-global-setup --test-isolation --test-name-pattern
    --test-random-seed --test-reporter --test-reporter-destination --test-rerun-failures --test-shard
    --test-skip-pattern --test-timeout --title --tls-cipher-list --tls-keylog --trace-event-categories
    --trace-event-file-pattern --trace-require-module --unhandled-rejections --use-largepages --v8-pool-size
    --vfs-load --vfs-mount --watch-kill-signal --watch-path
  `.split(/\s+/),
);

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
    at += TAKES_VALUE.has(word) ? 2 : 1;
  }
  return { options: [...words], script: undefined, args: [] };
}

function apart(words: readonly string[], options: number, script: number): NodeArguments {
  return { options: words.slice(0, options), script: words[script], args: words.slice(script + 1) };
}
