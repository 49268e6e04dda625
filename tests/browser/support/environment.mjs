// The paths of the repository, of the packages in .test-tools/node, of the browser and of the binary.

import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const PACKAGES = join(ROOT, '.test-tools', 'node')
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']

// Imports a package from .test-tools/node.
export async function importTool(name) {
  const require = createRequire(join(PACKAGES, 'package.json'))
  return import(pathToFileURL(require.resolve(name)))
}

// The path of Chromium: $CHROMIUM, or the first executable found in $PATH.
export function chromiumPath() {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const candidates = BROWSERS.flatMap(name => folders.map(folder => join(folder, name)))
  return [process.env.CHROMIUM, ...candidates].find(path => path && isExecutable(path))
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

// The reason why the tests cannot run here, or undefined.
export function skipReason() {
  if (Number(process.versions.node.split('.')[0]) < 20) return `Node.js 20 or later is required; this is ${process.version}`
  if (!existsSync(join(PACKAGES, 'node_modules', 'playwright-core'))) return 'no packages in .test-tools/node; run scripts/test-tools'
  if (!chromiumPath()) return 'Chromium is missing; install the package chromium or set CHROMIUM to its path'
}

let binary

// Builds Countersign and returns the path of the binary. The command also builds an example, so that cargo enables the
// same features of the dependencies as for the Rust tests. Otherwise cargo would build most dependencies again.
export function buildCountersign() {
  if (binary) return binary
  const options = ['build', '--locked', '--bin', 'countersign', '--example', 'rust-axum', '--message-format=json-render-diagnostics']
  const output = execFileSync('cargo', options, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'inherit'] })
  const messages = output.trim().split('\n').map(line => JSON.parse(line))
  binary = messages.findLast(message => message.executable && message.target.name === 'countersign').executable
  return binary
}
