// A server with a superuser `root`, and sign-in to its admin zone.

import { BrowserSession } from './browser.mjs'
import { PASSWORD, Server } from './server.mjs'

// Returns the server and `signIn(screen)`, which opens a browser session and signs `root` in.
export async function adminZone(after, settings = '') {
  const server = await Server.start(settings)
  after.push(() => server.stop())
  server.create('root', '--superuser')
  const signIn = async screen => {
    const session = await BrowserSession.start([server.url], screen)
    after.push(() => session.close())
    await session.open(`${server.url}/admin/`)
    await session.page.getByLabel('Name or e-mail address').fill('root')
    await session.page.getByLabel('Password').fill(PASSWORD)
    await session.page.getByRole('button', { name: 'Sign in' }).click()
    await session.page.getByRole('heading', { level: 1, name: 'Dashboard' }).waitFor()
    return session
  }
  return { server, signIn }
}

// The claims of a token, without verification.
export function claims(token) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())
}
