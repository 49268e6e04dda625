// The tests' identity provider (../../provider/server.mjs) under a host name of its own, so that a browser takes it for
// another site than Countersign's.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../../provider/server.mjs', import.meta.url))

export class IdentityProvider {
  // `names`: those it has in the settings of whoever asks it.
  static async start(...names) {
    const callbacks = names.map(name => `http://127.0.0.1/${name}/callback/`)
    const process = spawn('node', [PROGRAM, '--host', 'localhost', ...callbacks], { stdio: ['pipe', 'pipe', 'inherit'] })
    const said = await new Promise((done, failed) => {
      createInterface(process.stdout).once('line', line => done(JSON.parse(line)))
      process.once('exit', code => failed(new Error(`the provider ended with ${code}`)))
    })
    return Object.assign(new IdentityProvider(), said, { process })
  }

  stop() {
    this.process.stdin.end()
  }

  // `[social.oidc.NAME]` and `[social.github]`, as TOML.
  settings(name) {
    const client = `client_id = 'countersign'\nclient_secret = '${this.secret}'\n`
    const github = Object.entries({ authorize: 'login/oauth/authorize', token: 'login/oauth/access_token', userinfo: 'user', emails: 'user/emails' })
    const urls = github.map(([what, path]) => `${what}_url = '${this.url}/github/${path}'\n`).join('')
    return `[social.oidc.${name}]\nissuer = '${this.url}'\n${client}[social.github]\n${client}${urls}`
  }

  // What somebody does on its pages, up to the last, on which they agree.
  async enter(page, login) {
    await page.getByPlaceholder('Enter any login').fill(login)
    const password = page.getByPlaceholder('and password')
    if (await password.count()) await password.fill('any')
    await page.getByRole('button', { name: 'Sign-in' }).click()
  }

  // All that somebody does there.
  async signIn(page, login) {
    await this.enter(page, login)
    if (page.url().startsWith(this.url)) await page.getByRole('button', { name: 'Continue' }).click()
  }

  // Agrees, and stops before the browser is sent back: where to.
  async callback({ page, context }) {
    const agreed = await context.request.post(await page.locator('form').getAttribute('action'), { form: { prompt: 'consent' }, maxRedirects: 0 })
    const back = await context.request.get(agreed.headers().location, { maxRedirects: 0 })
    return back.headers().location
  }
}
