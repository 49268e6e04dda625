// The identity provider of the tests (../../provider/server.mjs) under another host name, so that a browser treats it
// as a different site than Countersign.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../../provider/server.mjs', import.meta.url))

export class IdentityProvider {
  // Starts the provider. `names` are its names in the server's settings.
  static async start(...names) {
    const callbacks = names.map(name => `http://127.0.0.1/${name}/callback/`)
    const process = spawn('node', [PROGRAM, '--host', 'localhost', ...callbacks], { stdio: ['pipe', 'pipe', 'inherit'] })
    const address = await new Promise((resolve, reject) => {
      createInterface(process.stdout).once('line', line => resolve(JSON.parse(line)))
      process.once('exit', code => reject(new Error(`the provider exited with ${code}`)))
    })
    return Object.assign(new IdentityProvider(), address, { process })
  }

  stop() {
    this.process.stdin.end()
  }

  // The settings `[social.oidc.NAME]` and `[social.github]` of the server, as TOML.
  settings(name) {
    const client = `client_id = 'countersign'\nclient_secret = '${this.secret}'\n`
    const github = Object.entries({ authorize: 'login/oauth/authorize', token: 'login/oauth/access_token', userinfo: 'user', emails: 'user/emails' })
    const urls = github.map(([endpoint, path]) => `${endpoint}_url = '${this.url}/github/${path}'\n`).join('')
    return `[social.oidc.${name}]\nissuer = '${this.url}'\n${client}[social.github]\n${client}${urls}`
  }

  // Enters user name and password. The consent page follows, unless the user consented before.
  async enterCredentials(page, login) {
    await page.getByPlaceholder('Enter any login').fill(login)
    const password = page.getByPlaceholder('and password')
    if (await password.count()) await password.fill('any')
    await page.getByRole('button', { name: 'Sign-in' }).click()
  }

  // Signs in, and consents if the provider asks for consent.
  async signIn(page, login) {
    await this.enterCredentials(page, login)
    if (page.url().startsWith(this.url)) await page.getByRole('button', { name: 'Continue' }).click()
  }

  // Consents without following the redirect. Returns the callback URL.
  async callback({ page, context }) {
    const consent = await context.request.post(await page.locator('form').getAttribute('action'), { form: { prompt: 'consent' }, maxRedirects: 0 })
    const redirect = await context.request.get(consent.headers().location, { maxRedirects: 0 })
    return redirect.headers().location
  }
}
