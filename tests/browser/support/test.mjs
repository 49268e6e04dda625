// The list of tests: a file beside check.mjs names its own by `test`, and check.mjs runs them in that order.

export const tests = []

// `run` gets a list of what to do at the end, whatever happens: `after.push(() => server.stop())`.
export function test(name, run) {
  tests.push({ name, run })
}
