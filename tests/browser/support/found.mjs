// Where things are: this repository, what scripts/test has installed, the browser, the binary.

import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const PACKAGES = join(ROOT, '.test-tools', 'node')
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']

// A package of .test-tools/node, as `import` would give it.
export async function installed(name) {
  const require = createRequire(join(PACKAGES, 'package.json'))
  return import(pathToFileURL(require.resolve(name)))
}

// The browser's path: $CHROMIUM, or the first one on the path.
export function chromium() {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const found = BROWSERS.flatMap(name => folders.map(folder => join(folder, name)))
  return [process.env.CHROMIUM, ...found].find(path => path && runs(path))
}

function runs(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

// Why the tests can't run here, or undefined.
export function missing() {
  if (Number(process.versions.node.split('.')[0]) < 20) return `Node.js 20 is needed, this is ${process.version}`
  if (!existsSync(join(PACKAGES, 'node_modules', 'playwright-core'))) return 'no packages in .test-tools/node: see the step tools'
  if (!chromium()) return 'no Chromium: install the package chromium, or set CHROMIUM to its path'
}

let binary

// The path of Countersign, freshly built. An example is built with it, as cargo then gives the dependencies the features
// that the tests have: without it, it would build most of them once more.
export function countersign() {
  if (binary) return binary
  const options = ['build', '--locked', '--bin', 'countersign', '--example', 'rust-axum', '--message-format=json-render-diagnostics']
  const said = execFileSync('cargo', options, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'inherit'] })
  const messages = said.trim().split('\n').map(line => JSON.parse(line))
  binary = messages.findLast(message => message.executable && message.target.name === 'countersign').executable
  return binary
}
