// The complete sign-in with a provider: the list of providers, the provider's own pages, and an application that
// exchanges the cookie for a bearer token.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'

import { BrowserSession, SCREENS } from './support/browser.mjs'
import { importTool } from './support/environment.mjs'
import { IdentityProvider } from './support/provider.mjs'
import { Server } from './support/server.mjs'
import { test } from './support/test.mjs'

// A single-page application on another origin of the same site. It requests its token when it is loaded.
class Application {
  static async start() {
    const application = new Application()
    application.server = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/html' })
      response.end(application.page())
    })
    application.server.listen(0, '127.0.0.1')
    await once(application.server, 'listening')
    application.url = `http://127.0.0.1:${application.server.address().port}`
    return application
  }

  page() {
    return `<!doctype html><html lang="en"><title>Application</title><link rel="icon" href="data:,">
      <h1>Application</h1><p role="status"></p><a href="${this.issuer}/social_logout/">Sign out</a>
      <form method="post" action="${this.issuer}/github/"><button>Link GitHub</button></form>
      <form method="post" action="${this.issuer}/corp/"><button>Link Corp</button></form>
      <script type="module">
        const response = await fetch('${this.issuer}/renew_token', { method: 'POST', credentials: 'include' })
        document.querySelector('p').textContent = response.ok ? (await response.json()).token : response.status
      </script>`
  }

  // The token that the application has received, or the status of the response that rejected it.
  async tokenOrStatus(page) {
    const status = page.getByRole('status')
    await status.filter({ hasText: /./ }).waitFor()
    return status.textContent()
  }
}

// Starts a provider, a server that offers it, and an application whose origin the server allows.
async function startServers(after, settings = '') {
  const [provider, application] = await Promise.all([IdentityProvider.start('corp', 'github'), Application.start()])
  after.push(() => provider.stop(), () => application.server.close(), () => application.server.closeAllConnections())
  const social = `[social]\nauthed_url = '${application.url}/in'\nlogout_url = '${application.url}/out'\n`
  const cors = `[cors]\nallowed_origins = ['${application.url}']\n`
  const server = await Server.start(settings + cors + social + provider.settings('corp'))
  after.push(() => server.stop())
  application.issuer = server.url
  const hosts = [server.url, provider.url, application.url]
  const openSession = async options => {
    const session = await BrowserSession.start(hosts, options)
    after.push(() => session.close())
    return session
  }
  return { provider, application, server, openSession }
}

async function verifiedClaims(token, server) {
  const { createRemoteJWKSet, jwtVerify } = await importTool('jose')
  const keys = createRemoteJWKSet(new URL(`${server.url}/.well-known/jwks.json`))
  return (await jwtVerify(token, keys, { issuer: server.url, audience: server.url, requiredClaims: ['exp', 'sub'] })).payload
}

test('a provider sign-in yields a bearer token and sign-out ends it', async after => {
  const { provider, application, server, openSession } = await startServers(after, '[log]\nlevel = "debug"\n')
  for (const [name, login] of [['corp', 'anna'], ['github', 'bert']]) {
    const { page, context, faults } = await openSession()
    await page.goto(`${server.url}/social/`)
    await page.locator(`a[href$="/${name}/"]`).click()
    await page.waitForURL(`${provider.url}/**`)
    await provider.signIn(page, login)
    await page.waitForURL(`${application.url}/in`)

    const token = await application.tokenOrStatus(page)
    const claims = await verifiedClaims(token, server)
    assert.equal(claims.provider, name)
    const cookies = (await context.cookies(server.url)).filter(cookie => cookie.name.includes('social') || cookie.name === 'jwt_token')
    assert.deepEqual(cookies.map(cookie => [cookie.name, cookie.httpOnly, cookie.sameSite]), [['jwt_token', true, 'Lax']])
    assert.deepEqual(faults, [])

    await page.getByRole('link', { name: 'Sign out' }).click()
    await page.waitForURL(`${application.url}/out`)
    assert.equal(await application.tokenOrStatus(page), '401')
    const renewal = await fetch(`${server.url}/renew_token`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
    assert.equal(renewal.status, 401)
  }
  const { issued } = await (await fetch(`${provider.url}/-/stats`)).json()
  assert.ok(issued.length >= 5 && server.log.includes('/corp/callback/'), server.log)
  for (const secret of [provider.secret, ...issued]) assert.ok(!server.log.includes(secret), `${secret} is in the log`)
})

test('the provider list and the error page pass all page checks on every screen', async after => {
  const { provider, server, openSession } = await startServers(after)
  for (const screen of SCREENS) {
    const session = await openSession(screen)
    await session.open(`${server.url}/social/`)
    await session.check('social')
    await session.page.locator('a[href$="/corp/"]').click()
    await session.page.waitForURL(`${provider.url}/**`)
    await session.page.getByRole('link', { name: 'Cancel' }).click()
    await session.page.waitForURL(`${server.url}/corp/callback/**`)
    await session.check('social-refused')
    // The server also logs the refusal for the operator.
    const warnings = server.log.split('\n').filter(line => line.includes('WARN') && line.includes('access_denied'))
    assert.ok(warnings.length && warnings.every(line => line.includes('corp')), server.log)
    // The link on the error page starts a new attempt.
    await session.page.getByRole('link').first().click()
    await session.page.waitForURL(`${provider.url}/**`)
  }
})

test('a sign-in works without JavaScript and only in the browser that started it', async after => {
  const { provider, application, server, openSession } = await startServers(after)
  const [attacker, victim] = [await openSession({ script: false, width: 360 }), await openSession()]
  await attacker.open(`${server.url}/social/`)
  await attacker.page.locator('a[href$="/corp/"]').click()
  await attacker.page.waitForURL(`${provider.url}/**`)
  await provider.enterCredentials(attacker.page, 'mallory')
  await attacker.page.getByRole('button', { name: 'Continue' }).waitFor()
  // The callback URL that an attacker would send to a victim.
  const callback = await provider.callback(attacker)
  assert.equal((await victim.open(callback)).status(), 400)
  assert.ok(!(await victim.context.cookies()).some(cookie => cookie.name === 'jwt_token'))
  // The browser that started the sign-in can finish it.
  await attacker.page.goto(callback)
  await attacker.page.waitForURL(`${application.url}/in`)
})

test('two tabs can sign in concurrently', async after => {
  const { provider, application, server, openSession } = await startServers(after)
  const { page, context } = await openSession()
  const other = await context.newPage()
  for (const tab of [page, other]) await tab.goto(`${server.url}/github/`)
  for (const [tab, login] of [[page, 'anna'], [other, 'bert']]) {
    await provider.signIn(tab, login)
    await tab.waitForURL(`${application.url}/in`)
    assert.equal((await verifiedClaims(await application.tokenOrStatus(tab), server)).provider, 'github')
  }
})

test('a signed-in user links another provider from an application', async after => {
  const { provider, application, server, openSession } = await startServers(after)
  const { page } = await openSession()
  await page.goto(`${server.url}/corp/`)
  await provider.signIn(page, 'anna')
  await page.waitForURL(`${application.url}/in`)
  const before = await verifiedClaims(await application.tokenOrStatus(page), server)
  await page.getByRole('button', { name: 'Link GitHub' }).click()
  await page.waitForURL(`${provider.url}/github/**`)
  await provider.signIn(page, 'other')
  await page.waitForURL(`${application.url}/in`)
  assert.equal((await verifiedClaims(await application.tokenOrStatus(page), server)).sub, before.sub)

  const other = await openSession()
  await other.page.goto(`${server.url}/github/`)
  await provider.signIn(other.page, 'other')
  await other.page.waitForURL(`${application.url}/in`)
  const claims = await verifiedClaims(await application.tokenOrStatus(other.page), server)
  assert.deepEqual([claims.sub, claims.provider], [before.sub, 'github'])
})

test('a user who cancels linking a provider can start again and stays signed in', async after => {
  const { provider, application, server, openSession } = await startServers(after)
  for (const screen of SCREENS) {
    const session = await openSession(screen)
    await session.page.goto(`${server.url}/github/`)
    await provider.signIn(session.page, 'anna')
    await session.page.waitForURL(`${application.url}/in`)
    const before = await verifiedClaims(await application.tokenOrStatus(session.page), server)
    await session.page.getByRole('button', { name: 'Link Corp' }).click()
    await session.page.waitForURL(`${provider.url}/**`)
    await session.page.getByRole('link', { name: 'Cancel' }).click()
    await session.page.waitForURL(`${server.url}/corp/callback/**`)
    await session.check('social-link-refused')
    await session.page.getByRole('button', { name: 'Start again' }).click()
    await session.page.waitForURL(`${provider.url}/**`)
    await provider.signIn(session.page, 'other')
    await session.page.waitForURL(`${application.url}/in`)
    const claims = await verifiedClaims(await application.tokenOrStatus(session.page), server)
    assert.deepEqual([claims.sub, claims.provider], [before.sub, 'github'])
  }
})
