// Tests the pages of a running server in a headless Chromium.
//
//     node tests/browser/check.mjs [WORD...]     runs all tests, or those whose file or name contains one of the words
//
// Every other file in this folder registers tests (see support/test.mjs). Screenshots are written to $SCREENSHOTS, or
// to a temporary folder whose path is printed at the end.

import { readdirSync } from 'node:fs'

import { close, screenshotFolder } from './support/browser.mjs'
import { buildCountersign, skipReason } from './support/environment.mjs'
import { tests } from './support/test.mjs'

const TEST_TIMEOUT_MS = 180_000
// The maximum number of concurrent tests. Each test has its own server and browser context, and mostly waits for them.
const CONCURRENCY = 3

// The tests of all files; each name is prefixed with its file name.
async function loadTests() {
  for (const file of readdirSync(new URL('.', import.meta.url)).sort()) {
    if (!file.endsWith('.mjs') || file === 'check.mjs') continue
    const count = tests.length
    await import(new URL(file, import.meta.url))
    for (const test of tests.slice(count)) test.name = `${file.replace('.mjs', '')}: ${test.name}`
  }
  return tests
}

// Runs a test and its clean-up functions. Returns the error of a failed test, or undefined.
async function run(test) {
  const after = []
  let timer
  const limit = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`timed out after ${TEST_TIMEOUT_MS / 1000} s`)), TEST_TIMEOUT_MS)))
  try {
    await Promise.race([test.run(after), limit])
  } catch (error) {
    return error
  } finally {
    clearTimeout(timer)
    for (const step of after.reverse()) await Promise.resolve().then(step).catch(error => console.error(error))
  }
}

const reason = skipReason()
if (reason) {
  console.error(`SKIPPED browser: ${reason}`)
  process.exit(77)
}
buildCountersign()
const words = process.argv.slice(2)
const queue = (await loadTests()).filter(test => !words.length || words.some(word => test.name.includes(word)))
const count = { passed: 0, failed: 0 }

// Runs tests until the queue is empty.
async function runQueue() {
  for (let test = queue.shift(); test; test = queue.shift()) {
    const error = await run(test)
    count[error ? 'failed' : 'passed'] += 1
    console.log(`test ${test.name} ... ${error ? 'FAILED' : 'ok'}`)
    if (error) console.log(error.stack)
  }
}

await Promise.all(Array.from({ length: CONCURRENCY }, runQueue))
await close()
console.log(`screenshots: ${screenshotFolder()}`)
console.log(`test result: ${count.failed ? 'FAILED' : 'ok'}. ${count.passed} passed; ${count.failed} failed;`)
process.exit(count.failed ? 1 : 0)
