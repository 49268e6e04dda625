// The whole way by a provider: from the list of providers over the provider's own pages to an application, which turns
// the cookie into a bearer token.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'

import { SCREENS, Visit } from './support/browser.mjs'
import { installed } from './support/found.mjs'
import { IdentityProvider } from './support/provider.mjs'
import { Server } from './support/server.mjs'
import { test } from './support/test.mjs'

// An application of one page, on another origin than Countersign but of the same site. It asks for its token by itself.
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
        const answer = await fetch('${this.issuer}/renew_token', { method: 'POST', credentials: 'include' })
        document.querySelector('p').textContent = answer.ok ? (await answer.json()).token : answer.status
      </script>`
  }

  // The token that its page has got, or the status it was refused with.
  async told(page) {
    const status = page.getByRole('status')
    await status.filter({ hasText: /./ }).waitFor()
    return status.textContent()
  }
}

// An issuer, a provider for it, and an application that both know.
async function stage(after, settings = '') {
  const [provider, application] = await Promise.all([IdentityProvider.start('corp', 'github'), Application.start()])
  after.push(() => provider.stop(), () => application.server.close(), () => application.server.closeAllConnections())
  const social = `[social]\nauthed_url = '${application.url}/in'\nlogout_url = '${application.url}/out'\n`
  const cors = `[cors]\nallowed_origins = ['${application.url}']\n`
  const server = await Server.start(settings + cors + social + provider.settings('corp'))
  after.push(() => server.stop())
  application.issuer = server.url
  const hosts = [server.url, provider.url, application.url]
  const visit = async options => {
    const visit = await Visit.begin(hosts, options)
    after.push(() => visit.end())
    return visit
  }
  return { provider, application, server, visit }
}

async function verified(token, server) {
  const { createRemoteJWKSet, jwtVerify } = await installed('jose')
  const keys = createRemoteJWKSet(new URL(`${server.url}/.well-known/jwks.json`))
  return (await jwtVerify(token, keys, { issuer: server.url, audience: server.url, requiredClaims: ['exp', 'sub'] })).payload
}

test('from the list of providers to a bearer token, and out again', async after => {
  const { provider, application, server, visit } = await stage(after, '[log]\nlevel = "debug"\n')
  for (const [name, login] of [['corp', 'anna'], ['github', 'bert']]) {
    const { page, context, ...judged } = await visit()
    await page.goto(`${server.url}/social/`)
    await page.locator(`a[href$="/${name}/"]`).click()
    await page.waitForURL(`${provider.url}/**`)
    await provider.signIn(page, login)
    await page.waitForURL(`${application.url}/in`)

    const token = await application.told(page)
    const claims = await verified(token, server)
    assert.equal(claims.provider, name)
    const cookies = (await context.cookies(server.url)).filter(cookie => cookie.name.includes('social') || cookie.name === 'jwt_token')
    assert.deepEqual(cookies.map(cookie => [cookie.name, cookie.httpOnly, cookie.sameSite]), [['jwt_token', true, 'Lax']])
    assert.deepEqual(judged.faults, [])

    await page.getByRole('link', { name: 'Sign out' }).click()
    await page.waitForURL(`${application.url}/out`)
    assert.equal(await application.told(page), '401')
    const spent = await fetch(`${server.url}/renew_token`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
    assert.equal(spent.status, 401)
  }
  const { given } = await (await fetch(`${provider.url}/-/seen`)).json()
  assert.ok(given.length >= 5 && server.log.includes('/corp/callback/'), server.log)
  for (const secret of [provider.secret, ...given]) assert.ok(!server.log.includes(secret), `${secret} is in the log`)
})

test('the pages of this are good for every screen', async after => {
  const { provider, server, visit } = await stage(after)
  for (const screen of SCREENS) {
    const one = await visit(screen)
    await one.open(`${server.url}/social/`)
    await one.sound('social')
    await one.page.locator('a[href$="/corp/"]').click()
    await one.page.waitForURL(`${provider.url}/**`)
    await one.page.getByRole('link', { name: 'Cancel' }).click()
    await one.page.waitForURL(`${server.url}/corp/callback/**`)
    await one.sound('social-refused')
    // The operator is told, too.
    const told = server.log.split('\n').filter(line => line.includes('WARN') && line.includes('access_denied'))
    assert.ok(told.length && told.every(line => line.includes('corp')), server.log)
    // The way to begin again that it offers is one.
    await one.page.getByRole('link').first().click()
    await one.page.waitForURL(`${provider.url}/**`)
  }
})

test('no script is needed, and no page elsewhere can finish a sign-in', async after => {
  const { provider, application, server, visit } = await stage(after)
  const [mine, theirs] = [await visit({ script: false, width: 360 }), await visit()]
  await mine.open(`${server.url}/social/`)
  await mine.page.locator('a[href$="/corp/"]').click()
  await mine.page.waitForURL(`${provider.url}/**`)
  await provider.enter(mine.page, 'mallory')
  await mine.page.getByRole('button', { name: 'Continue' }).waitFor()
  // What an attacker would keep for somebody else.
  const callback = await provider.callback(mine)
  assert.equal((await theirs.open(callback)).status(), 400)
  assert.ok(!(await theirs.context.cookies()).some(cookie => cookie.name === 'jwt_token'))
  // The one who began it may end it.
  await mine.page.goto(callback)
  await mine.page.waitForURL(`${application.url}/in`)
})

test('two tabs that sign in at once both arrive', async after => {
  const { provider, application, server, visit } = await stage(after)
  const { page, context } = await visit()
  const other = await context.newPage()
  for (const tab of [page, other]) await tab.goto(`${server.url}/github/`)
  for (const [tab, login] of [[page, 'anna'], [other, 'bert']]) {
    await provider.signIn(tab, login)
    await tab.waitForURL(`${application.url}/in`)
    assert.equal((await verified(await application.told(tab), server)).provider, 'github')
  }
})

test('a signed-in user links another provider from the page of an application', async after => {
  const { provider, application, server, visit } = await stage(after)
  const { page } = await visit()
  await page.goto(`${server.url}/corp/`)
  await provider.signIn(page, 'anna')
  await page.waitForURL(`${application.url}/in`)
  const before = await verified(await application.told(page), server)
  await page.getByRole('button', { name: 'Link GitHub' }).click()
  await page.waitForURL(`${provider.url}/github/**`)
  await provider.signIn(page, 'somebody')
  await page.waitForURL(`${application.url}/in`)
  assert.equal((await verified(await application.told(page), server)).sub, before.sub)

  const other = await visit()
  await other.page.goto(`${server.url}/github/`)
  await provider.signIn(other.page, 'somebody')
  await other.page.waitForURL(`${application.url}/in`)
  const claims = await verified(await application.told(other.page), server)
  assert.deepEqual([claims.sub, claims.provider], [before.sub, 'github'])
})

test('whoever declined to link another provider begins again by a button, and stays who they are', async after => {
  const { provider, application, server, visit } = await stage(after)
  for (const screen of SCREENS) {
    const one = await visit(screen)
    await one.page.goto(`${server.url}/github/`)
    await provider.signIn(one.page, 'anna')
    await one.page.waitForURL(`${application.url}/in`)
    const before = await verified(await application.told(one.page), server)
    await one.page.getByRole('button', { name: 'Link Corp' }).click()
    await one.page.waitForURL(`${provider.url}/**`)
    await one.page.getByRole('link', { name: 'Cancel' }).click()
    await one.page.waitForURL(`${server.url}/corp/callback/**`)
    await one.sound('social-link-refused')
    await one.page.getByRole('button', { name: 'Begin again' }).click()
    await one.page.waitForURL(`${provider.url}/**`)
    await provider.signIn(one.page, 'somebody')
    await one.page.waitForURL(`${application.url}/in`)
    const claims = await verified(await application.told(one.page), server)
    assert.deepEqual([claims.sub, claims.provider], [before.sub, 'github'])
  }
})
