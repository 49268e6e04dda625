// Countersign as an operator runs it: the real binary in a folder of its own, on a free port.

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { countersign } from './found.mjs'

export const PASSWORD = 'correct horse battery'
const QUICK_HASHES = 'passwords = { memory_kib = 8192, iterations = 1, parallelism = 1 }\n'
const PATIENCE = 30_000

const pause = milliseconds => new Promise(done => setTimeout(done, milliseconds))

// Waits until `done` answers something true, which it returns.
export async function settle(what, done) {
  for (let waited = 0; waited < PATIENCE; waited += 50) {
    const answer = await done()
    if (answer) return answer
    await pause(50)
  }
  throw new Error(`never came: ${what}`)
}

export class Server {
  // Starts one and waits until it is ready. `settings` is TOML: keys of the top level first, then sections.
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
    this.process = spawn(countersign(), ['serve', '--listen', '127.0.0.1:0'], options)
    this.ended = new Promise(done => this.process.once('exit', done))
    this.process.stderr.setEncoding('utf8').on('data', text => (this.log += text))
    this.url = await settle('the address in the log', () => {
      if (this.process.exitCode !== null) throw new Error(`the server ended:\n${this.log}`)
      const address = / url=\S+ listen=(\S+)/.exec(this.log)
      return address && `http://${address[1]}`
    })
    await settle('readiness', async () => (await fetch(`${this.url}/ready`).catch(() => ({ ok: false }))).ok)
  }

  // Ends it as an operator would, and removes its folder.
  async stop() {
    if (this.process) {
      this.process.kill('SIGTERM')
      const late = setTimeout(() => this.process.kill('SIGKILL'), PATIENCE)
      await this.ended
      clearTimeout(late)
    }
    rmSync(this.folder, { recursive: true, force: true })
  }

  // A command beside the running server: what it prints.
  run(args, { stdin = '' } = {}) {
    const done = spawnSync(countersign(), args, { cwd: this.folder, env: {}, input: stdin, encoding: 'utf8' })
    if (done.status !== 0) throw new Error(`countersign ${args.join(' ')} ended with ${done.status}:\n${done.stderr}`)
    return done.stdout
  }

  // Makes a user with PASSWORD and an address at example.com; `flags` as of `users create`.
  create(name, ...flags) {
    this.run(['users', 'create', name, '--email', `${name}@example.com`, '--password-stdin', ...flags], { stdin: PASSWORD })
  }

  read(file) {
    return readFileSync(join(this.folder, file), 'utf8')
  }

  // Status, headers and body of a POST of JSON, by whoever has the token if one is given.
  async post(path, body, token) {
    const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) }
    const answer = await fetch(this.url + path, { method: 'POST', headers, body: JSON.stringify(body), redirect: 'manual' })
    return { status: answer.status, headers: answer.headers, json: await answer.json().catch(() => undefined) }
  }

  // A token for a user, by a sign-in of its own.
  async token(name) {
    const answer = await this.post('/auth', { username: name, password: PASSWORD })
    if (answer.status !== 200) throw new Error(`no token for ${name}: ${answer.status} ${JSON.stringify(answer.json)}`)
    return answer.json.jwt
  }
}
