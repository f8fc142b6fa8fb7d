// Reads the results of a test run: prints "N N", passed and failed, and to stderr each test that did not pass.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const FIRST_LINES = 6;

const { testResults, success } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
let passed = 0;
let failed = 0;
for (const { name, assertionResults, status, message } of testResults) {
  const file = path.relative(process.cwd(), name);
  for (const test of assertionResults) {
    if (test.status === 'passed') {
      passed += 1;
      continue;
    }
    failed += 1;
    const why = test.failureMessages.join('\n').split('\n').slice(0, FIRST_LINES).join('\n    ');
    console.error(`${file}: ${test.fullName} (${test.status})\n    ${why}`);
  }
  if (status !== 'passed' && assertionResults.every((test) => test.status === 'passed')) {
    failed += 1;
    console.error(`${file}: ${message || 'no test of it ran'}`);
  }
}
// A run can also fail past its tests, for example by an unhandled error.
console.log(passed, Math.max(failed, success ? 0 : 1));
