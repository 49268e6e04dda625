// The admin zone, as a superuser sees it: every page on a telephone and on a desk, by day and by night, with people of
// all sorts in it.

import assert from 'node:assert/strict'

import { SCREENS, Visit } from './support/browser.mjs'
import { PASSWORD, Server } from './support/server.mjs'
import { test } from './support/test.mjs'

const NAMES = [
  'anna',
  'عبد الرحمن',
  '<b onmouseover=alert(1)>eve</b>',
  'x'.repeat(150),
  'a rather long name with many words in it that goes on and on',
  '李小龍',
]

// A server with a superuser `root` and a few dozen users, some of whom are signed in, and some tries that failed.
async function peopled(after) {
  const server = await Server.start('throttle.enabled = false\n')
  after.push(() => server.stop())
  server.create('root', '--superuser')
  const names = [...NAMES, ...Array.from({ length: 30 }, (_, i) => `user${String(i).padStart(2, '0')}`)]
  for (const [i, username] of names.entries()) {
    const email = i === 3 ? `${'long'.repeat(15)}@${'example'.repeat(8)}.example.com` : `someone${i}@example.com`
    const made = await server.post('/register', { username, password: PASSWORD, email })
    assert.equal(made.status, 200, JSON.stringify(made.json))
  }
  for (const name of NAMES.slice(0, 4)) for (let i = 0; i < 8; i += 1) await server.token(name)
  for (let i = 0; i < 5; i += 1) await server.post('/auth', { username: 'anna', password: 'wrong' })
  server.run(['users', 'set-claims', 'anna', '{"role":"editor","roles":["a","b"],"team":{"name":"<b>x</b>"}}'])
  return server
}

async function signIn(visit, server) {
  await visit.open(`${server.url}/admin/`)
  await visit.page.getByLabel('Name or e-mail address').fill('root')
  await visit.page.getByLabel('Password').fill(PASSWORD)
  await visit.page.getByRole('button', { name: 'Sign in' }).click()
  await visit.page.getByRole('heading', { name: 'Dashboard' }).waitFor()
}

async function pageOf(visit, server, name) {
  await visit.open(`${server.url}/admin/users?q=${encodeURIComponent(name)}`)
  await visit.page.getByRole('link', { name, exact: true }).click()
  return new URL(visit.page.url()).pathname
}

test('the admin zone shows everybody as they are', async after => {
  const server = await peopled(after)
  for (const screen of SCREENS) {
    const visit = await Visit.begin([server.url], screen)
    after.push(() => visit.end())
    await visit.open(`${server.url}/admin/`)
    await visit.sound('admin-login')
    await signIn(visit, server)
    await visit.sound('admin-dashboard')
    await visit.page.getByText('As a table').first().click()
    await visit.page.getByRole('link', { name: 'Last 30 days' }).click()
    await visit.sound('admin-dashboard-month')
    await visit.page.getByRole('link', { name: 'Users', exact: true }).click()
    await visit.sound('admin-users')
    await visit.page.getByRole('link', { name: 'After →' }).click()
    await visit.sound('admin-users-next')
    await visit.page.getByRole('link', { name: 'New user' }).click()
    await visit.sound('admin-user-new')
    for (const name of [NAMES[0], NAMES[1], NAMES[2], NAMES[3]]) {
      const path = await pageOf(visit, server, name)
      await visit.sound(`admin-user-${NAMES.indexOf(name)}`)
      if (name !== NAMES[0] && name !== NAMES[3]) continue
      for (const deed of ['disable', 'end-sessions', 'password', 'rights', 'delete']) {
        await visit.open(`${server.url}${path}/${deed}`)
        await visit.sound(`admin-user-${NAMES.indexOf(name)}-${deed}`)
      }
    }
    const path = await pageOf(visit, server, 'anna')
    await visit.page.getByLabel('E-mail address').fill('root@example.com')
    await visit.page.getByRole('button', { name: 'Save', exact: true }).click()
    await visit.page.locator('#email-error').waitFor()
    await visit.sound('admin-user-problem')
    await visit.open(`${server.url}${path}`)
    await visit.page.getByLabel('Other claims').fill('{')
    await visit.page.getByRole('button', { name: 'Save the claims' }).click()
    await visit.page.locator('#rest-error').waitFor()
    await visit.sound('admin-user-claims-problem')
    await visit.page.getByRole('link', { name: 'Sessions', exact: true }).click()
    await visit.sound('admin-sessions')
    await visit.page.getByRole('link', { name: 'Older →' }).click()
    await visit.page.getByRole('link', { name: '← Newest' }).waitFor()
    await visit.sound('admin-sessions-older')
    await visit.end()
  }
})

test('a superuser without a script disables a user, whose refresh fails', async after => {
  const server = await Server.start()
  after.push(() => server.stop())
  server.create('root', '--superuser')
  server.create('anna')
  const token = await server.token('anna')
  const before = await server.post('/renew_token', {}, token)
  assert.equal(before.status, 200)
  const visit = await Visit.begin([server.url], { width: 360, script: false })
  after.push(() => visit.end())
  await signIn(visit, server)
  await pageOf(visit, server, 'anna')
  await visit.page.getByRole('link', { name: 'Disable…' }).click()
  await visit.page.getByText('can\'t sign in any more').waitFor()
  await visit.page.getByRole('button', { name: 'Disable this user' }).click()
  await visit.page.getByText('The user is disabled.').waitFor()
  await visit.sound('admin-user-disabled')
  const renewed = await server.post('/renew_token', {}, before.json.jwt)
  assert.equal(renewed.status, 401)
  assert.equal((await server.post('/auth', { username: 'anna', password: PASSWORD })).status, 401)
  await visit.page.getByRole('button', { name: 'Enable' }).click()
  await visit.page.getByText('The user is enabled').waitFor()
  assert.equal((await server.post('/auth', { username: 'anna', password: PASSWORD })).status, 200)
  await visit.page.getByRole('link', { name: 'Set a temporary password…' }).click()
  await visit.page.getByRole('button', { name: 'Set a temporary password' }).click()
  const password = await visit.page.locator('.secret code').textContent()
  await visit.sound('admin-user-password')
  assert.equal((await server.post('/auth', { username: 'anna', password })).status, 200)
})
