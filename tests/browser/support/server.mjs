// Countersign as an operator runs it: the binary, started in its own temporary folder on a free port.

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { buildCountersign } from './environment.mjs'

export const PASSWORD = 'correct horse battery'
const QUICK_HASHES = 'passwords = { memory_kib = 8192, iterations = 1, parallelism = 1 }\n'
const TIMEOUT_MS = 30_000

const sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds))

// Polls `condition` until it returns a truthy value, and returns that value. `description` is for the error message.
export async function waitUntil(description, condition) {
  for (let waited = 0; waited < TIMEOUT_MS; waited += 50) {
    const result = await condition()
    if (result) return result
    await sleep(50)
  }
  throw new Error(`timed out after ${TIMEOUT_MS / 1000} s: ${description}`)
}

export class Server {
  // Starts a server and waits until it is ready. `settings` is TOML: top-level keys first, then sections.
  static async start(settings = '') {
    const server = new Server(settings)
    try {
      await server.serve()
    } catch (error) {
      await server.stop()
      throw error
    }
    return server
  }

  constructor(settings = '') {
    this.folder = mkdtempSync(join(tmpdir(), 'countersign-browser-'))
    this.log = ''
    writeFileSync(join(this.folder, 'countersign.toml'), QUICK_HASHES + settings)
  }

  async serve() {
    const options = { cwd: this.folder, env: {}, stdio: ['ignore', 'ignore', 'pipe'] }
    this.process = spawn(buildCountersign(), ['serve', '--listen', '127.0.0.1:0'], options)
    this.exited = new Promise(resolve => this.process.once('exit', resolve))
    this.process.stderr.setEncoding('utf8').on('data', text => (this.log += text))
    this.url = await waitUntil('the log contains the address', () => {
      if (this.process.exitCode !== null) throw new Error(`the server exited:\n${this.log}`)
      const address = / url=\S+ listen=(\S+)/.exec(this.log)
      return address && `http://${address[1]}`
    })
    await waitUntil('the server is ready', async () => (await fetch(`${this.url}/ready`).catch(() => ({ ok: false }))).ok)
  }

  // Stops the server with SIGTERM, or with SIGKILL after the timeout, and removes its folder.
  async stop() {
    if (this.process) {
      this.process.kill('SIGTERM')
      const timer = setTimeout(() => this.process.kill('SIGKILL'), TIMEOUT_MS)
      await this.exited
      clearTimeout(timer)
    }
    rmSync(this.folder, { recursive: true, force: true })
  }

  // Runs a command and returns its standard output.
  run(args, { stdin = '' } = {}) {
    const result = spawnSync(buildCountersign(), args, { cwd: this.folder, env: {}, input: stdin, encoding: 'utf8' })
    if (result.status !== 0) throw new Error(`countersign ${args.join(' ')} exited with ${result.status}:\n${result.stderr}`)
    return result.stdout
  }

  // Creates a user with PASSWORD and the address NAME@example.com. `flags`: further options of `users create`.
  create(name, ...flags) {
    this.run(['users', 'create', name, '--email', `${name}@example.com`, '--password-stdin', ...flags], { stdin: PASSWORD })
  }

  read(file) {
    return readFileSync(join(this.folder, file), 'utf8')
  }

  // Sends a POST request with a JSON body, and with a bearer token if `token` is set. Returns status, headers and body.
  async post(path, body, token) {
    const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) }
    const response = await fetch(this.url + path, { method: 'POST', headers, body: JSON.stringify(body), redirect: 'manual' })
    return { status: response.status, headers: response.headers, json: await response.json().catch(() => undefined) }
  }

  // Signs a user in and returns the access token.
  async token(name) {
    const response = await this.post('/auth', { username: name, password: PASSWORD })
    if (response.status !== 200) throw new Error(`no token for ${name}: ${response.status} ${JSON.stringify(response.json)}`)
    return response.json.jwt
  }
}
