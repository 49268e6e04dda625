// The admin zone with a superuser `root`, who comes in by whatever browser.

import { Visit } from './browser.mjs'
import { PASSWORD, Server } from './server.mjs'

// A server, and `enter(screen)`: a visit that has signed in.
export async function adminZone(after, settings = '') {
  const server = await Server.start(settings)
  after.push(() => server.stop())
  server.create('root', '--superuser')
  const enter = async screen => {
    const visit = await Visit.begin([server.url], screen)
    after.push(() => visit.end())
    await visit.open(`${server.url}/admin/`)
    await visit.page.getByLabel('Name or e-mail address').fill('root')
    await visit.page.getByLabel('Password').fill(PASSWORD)
    await visit.page.getByRole('button', { name: 'Sign in' }).click()
    await visit.page.getByRole('heading', { level: 1, name: 'Dashboard' }).waitFor()
    return visit
  }
  return { server, enter }
}

// What a token says, unverified.
export function claims(token) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())
}
