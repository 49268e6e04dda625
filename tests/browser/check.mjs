// Shows what people see: the product's pages in a headless Chromium, from a real server.
//
//     node tests/browser/check.mjs [WORD...]     only the tests whose file or name has one of the words
//
// Every other file in this folder is a list of tests (see support/test.mjs). Screenshots go to $PICTURES, or to a
// folder that is named at the end.

import { readdirSync } from 'node:fs'

import { close, pictureFolder } from './support/browser.mjs'
import { countersign, missing } from './support/found.mjs'
import { tests } from './support/test.mjs'

const PATIENCE = 180_000
// Each test has a server and a browser context of its own, and waits for both more than it computes.
const AT_ONCE = 3

// The tests of every file, with the file's name in front.
async function all() {
  for (const file of readdirSync(new URL('.', import.meta.url)).sort()) {
    if (!file.endsWith('.mjs') || file === 'check.mjs') continue
    const known = tests.length
    await import(new URL(file, import.meta.url))
    for (const test of tests.slice(known)) test.name = `${file.replace('.mjs', '')}: ${test.name}`
  }
  return tests
}

// The error a test ends with, or undefined.
async function fault(test) {
  const after = []
  let late
  const limit = new Promise((_, refuse) => (late = setTimeout(() => refuse(new Error('takes too long')), PATIENCE)))
  try {
    await Promise.race([test.run(after), limit])
  } catch (error) {
    return error
  } finally {
    clearTimeout(late)
    for (const step of after.reverse()) await Promise.resolve().then(step).catch(error => console.error(error))
  }
}

const why = missing()
if (why) {
  console.error(`SKIPPED browser: ${why}`)
  process.exit(77)
}
countersign()
const words = process.argv.slice(2)
const waiting = (await all()).filter(test => !words.length || words.some(word => test.name.includes(word)))
const count = { passed: 0, failed: 0 }

// Runs tests until none is left.
async function work() {
  for (let test = waiting.shift(); test; test = waiting.shift()) {
    const error = await fault(test)
    count[error ? 'failed' : 'passed'] += 1
    console.log(`test ${test.name} ... ${error ? 'FAILED' : 'ok'}`)
    if (error) console.log(error.stack)
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, work))
await close()
console.log(`screenshots: ${pictureFolder()}`)
console.log(`test result: ${count.failed ? 'FAILED' : 'ok'}. ${count.passed} passed; ${count.failed} failed;`)
process.exit(count.failed ? 1 : 0)
