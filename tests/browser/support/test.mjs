// The list of tests. Each file next to check.mjs registers its tests with `test`. check.mjs starts them in this order.

export const tests = []

// Registers a test. `run` is called with a list for clean-up functions, which run at the end of the test even if it
// fails: `after.push(() => server.stop())`.
export function test(name, run) {
  tests.push({ name, run })
}
