// The admin zone: every page at phone and desktop width and in both colour schemes, with unusual user names.

import assert from 'node:assert/strict'

import { BrowserSession, SCREENS } from './support/browser.mjs'
import { PASSWORD, Server } from './support/server.mjs'
import { test } from './support/test.mjs'

const NAMES = [
  'anna',
  'عبد الرحمن',
  '<b onmouseover=alert(1)>eve</b>',
  'x'.repeat(150),
  'a long user name that contains many words and needs several lines',
  '李小龍',
]

// Starts a server with a superuser `root`, 36 other users, several sessions for some of them, and 5 failed sign-ins.
async function serverWithUsers(after) {
  const server = await Server.start('throttle.enabled = false\n')
  after.push(() => server.stop())
  server.create('root', '--superuser')
  const names = [...NAMES, ...Array.from({ length: 30 }, (_, i) => `user${String(i).padStart(2, '0')}`)]
  for (const [i, username] of names.entries()) {
    const email = i === 3 ? `${'long'.repeat(15)}@${'example'.repeat(8)}.example.com` : `someone${i}@example.com`
    const response = await server.post('/register', { username, password: PASSWORD, email })
    assert.equal(response.status, 200, JSON.stringify(response.json))
  }
  for (const name of NAMES.slice(0, 4)) for (let i = 0; i < 8; i += 1) await server.token(name)
  for (let i = 0; i < 5; i += 1) await server.post('/auth', { username: 'anna', password: 'wrong' })
  server.run(['users', 'set-claims', 'anna', '{"role":"editor","roles":["a","b"],"team":{"name":"<b>x</b>"}}'])
  return server
}

async function signIn(session, server) {
  await session.open(`${server.url}/admin/`)
  await session.page.getByLabel('Name or e-mail address').fill('root')
  await session.page.getByLabel('Password').fill(PASSWORD)
  await session.page.getByRole('button', { name: 'Sign in' }).click()
  await session.page.getByRole('heading', { name: 'Dashboard' }).waitFor()
}

async function openUserPage(session, server, name) {
  await session.open(`${server.url}/admin/users?q=${encodeURIComponent(name)}`)
  await session.page.getByRole('link', { name, exact: true }).click()
  return new URL(session.page.url()).pathname
}

test('every admin page renders unusual user names correctly', async after => {
  const server = await serverWithUsers(after)
  for (const screen of SCREENS) {
    const session = await BrowserSession.start([server.url], screen)
    after.push(() => session.close())
    await session.open(`${server.url}/admin/`)
    await session.check('admin-login')
    await signIn(session, server)
    await session.check('admin-dashboard')
    await session.page.getByText('As a table').first().click()
    await session.page.getByRole('link', { name: 'Last 30 days' }).click()
    await session.check('admin-dashboard-month')
    await session.page.getByRole('link', { name: 'Users', exact: true }).click()
    await session.check('admin-users')
    await session.page.getByRole('link', { name: 'Next →' }).click()
    await session.check('admin-users-next')
    await session.page.getByRole('link', { name: 'New user' }).click()
    await session.check('admin-user-new')
    for (const name of [NAMES[0], NAMES[1], NAMES[2], NAMES[3]]) {
      const path = await openUserPage(session, server, name)
      await session.check(`admin-user-${NAMES.indexOf(name)}`)
      if (name !== NAMES[0] && name !== NAMES[3]) continue
      for (const action of ['disable', 'end-sessions', 'password', 'rights', 'delete']) {
        await session.open(`${server.url}${path}/${action}`)
        await session.check(`admin-user-${NAMES.indexOf(name)}-${action}`)
      }
    }
    const path = await openUserPage(session, server, 'anna')
    await session.page.getByLabel('E-mail address').fill('root@example.com')
    await session.page.getByRole('button', { name: 'Save', exact: true }).click()
    await session.page.locator('#email-error').waitFor()
    await session.check('admin-user-problem')
    await session.open(`${server.url}${path}`)
    await session.page.getByLabel('Other claims').fill('{')
    await session.page.getByRole('button', { name: 'Save the claims' }).click()
    await session.page.locator('#rest-error').waitFor()
    await session.check('admin-user-claims-problem')
    await session.page.getByRole('link', { name: 'Sessions', exact: true }).click()
    await session.check('admin-sessions')
    await session.page.getByRole('link', { name: 'Older →' }).click()
    await session.page.getByRole('link', { name: '← Newest' }).waitFor()
    await session.check('admin-sessions-older')
    await session.close()
  }
})

test('disabling a user works without JavaScript and ends their sessions', async after => {
  const server = await Server.start()
  after.push(() => server.stop())
  server.create('root', '--superuser')
  server.create('anna')
  const token = await server.token('anna')
  const before = await server.post('/renew_token', {}, token)
  assert.equal(before.status, 200)
  const session = await BrowserSession.start([server.url], { width: 360, script: false })
  after.push(() => session.close())
  await signIn(session, server)
  await openUserPage(session, server, 'anna')
  await session.page.getByRole('link', { name: 'Disable…' }).click()
  await session.page.getByText('can no longer sign in').waitFor()
  await session.page.getByRole('button', { name: 'Disable this user' }).click()
  await session.page.getByText('The user was disabled.').waitFor()
  await session.check('admin-user-disabled')
  const renewed = await server.post('/renew_token', {}, before.json.jwt)
  assert.equal(renewed.status, 401)
  assert.equal((await server.post('/auth', { username: 'anna', password: PASSWORD })).status, 401)
  await session.page.getByRole('button', { name: 'Enable' }).click()
  await session.page.getByText('The user was enabled').waitFor()
  assert.equal((await server.post('/auth', { username: 'anna', password: PASSWORD })).status, 200)
  await session.page.getByRole('link', { name: 'Set a temporary password…' }).click()
  await session.page.getByRole('button', { name: 'Set a temporary password' }).click()
  const password = await session.page.locator('.secret code').textContent()
  await session.check('admin-user-password')
  assert.equal((await server.post('/auth', { username: 'anna', password })).status, 200)
})
