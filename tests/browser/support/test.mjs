// The list of tests. Each file next to check.mjs registers its tests with `test`; check.mjs runs them in this order.

export const tests = []

// `run` gets a list of clean-up functions that always run at the end: `after.push(() => server.stop())`.
export function test(name, run) {
  tests.push({ name, run })
}
