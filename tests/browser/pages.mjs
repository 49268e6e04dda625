// The pages of password resets and confirmations, and the API documentation, at phone and desktop width and in both colour schemes. The last
// test verifies that the checks detect faulty pages.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

import { BrowserSession, SCREENS } from './support/browser.mjs'
import { PASSWORD, Server, waitUntil } from './support/server.mjs'
import { test } from './support/test.mjs'

const NEW_PASSWORD = 'battery staple correct'

// Waits for an e-mail of a template and returns the link in it.
async function linkInEmail(server, template) {
  const folder = join(server.folder, 'data', 'mail')
  const name = await waitUntil('an e-mail is sent', () => {
    try {
      return readdirSync(folder).find(file => file.endsWith(`-${template}.eml`))
    } catch {
      return undefined
    }
  })
  const text = server.read(join('data', 'mail', name)).replace(/=\r?\n/g, '').replace(/=3D/g, '=')
  return /http:\/\/\S*\?(restoring|confirming)=[\w.~-]+/.exec(text)[0]
}

// Requests a reset for an address and returns the link from the e-mail.
async function requestResetLink(server, email) {
  const response = await server.post('/restore', { restoring_email: email })
  assert.equal(response.status, 200)
  return linkInEmail(server, 'restore_link')
}

async function submitPasswords(page, password, repeated) {
  await page.getByLabel('New password', { exact: true }).fill(password)
  await page.getByLabel('Repeat the new password').fill(repeated)
  await page.getByRole('button', { name: 'Set the password' }).click()
}

test('the reset page sets a new password once', async after => {
  const server = await Server.start()
  after.push(() => server.stop())
  server.create('anna')
  const link = await requestResetLink(server, 'anna@example.com')
  for (const screen of SCREENS) {
    const session = await BrowserSession.start([server.url], screen)
    after.push(() => session.close())
    assert.equal((await session.open(link)).status(), 200)
    assert.equal(await session.page.evaluate(() => document.activeElement.id), 'password')
    await session.check('restore-form')
    await submitPasswords(session.page, NEW_PASSWORD, PASSWORD)
    await session.page.getByRole('alert').waitFor()
    await session.check('restore-problem')
  }
  const session = await BrowserSession.start([server.url], { width: 360, script: false })
  after.push(() => session.close())
  await session.open(link)
  await submitPasswords(session.page, NEW_PASSWORD, NEW_PASSWORD)
  await session.page.getByRole('status').waitFor()
  await session.check('restore-done')
  assert.equal((await server.post('/auth', { username: 'anna', password: NEW_PASSWORD })).status, 200)

  for (const screen of SCREENS) {
    const later = await BrowserSession.start([server.url], screen)
    after.push(() => later.close())
    await later.open(link)
    await submitPasswords(later.page, PASSWORD, PASSWORD)
    await later.page.getByRole('alert').waitFor()
    await later.check('restore-used')
  }
})

test('the confirmation page confirms an address once', async after => {
  const server = await Server.start()
  after.push(() => server.stop())
  server.create('anna')
  const token = await server.token('anna')
  const requested = await server.post('/update_profile', { email: 'anna@example.org' }, token)
  assert.equal(requested.status, 200)
  const link = await linkInEmail(server, 'confirm_email')
  const confirm = session => session.page.getByRole('button', { name: 'Confirm the address' }).click()
  for (const screen of SCREENS) {
    const session = await BrowserSession.start([server.url], screen)
    after.push(() => session.close())
    assert.equal((await session.open(link)).status(), 200)
    await session.check('confirm-form')
  }
  const session = await BrowserSession.start([server.url], { width: 360, script: false })
  after.push(() => session.close())
  await session.open(link)
  await confirm(session)
  await session.page.getByRole('status').waitFor()
  await session.check('confirm-done')
  for (const screen of SCREENS) {
    const later = await BrowserSession.start([server.url], screen)
    after.push(() => later.close())
    await later.open(link)
    await confirm(later)
    await later.page.getByRole('alert').waitFor()
    await later.check('confirm-used')
  }
})

test('the API documentation page passes all page checks', async after => {
  const server = await Server.start()
  after.push(() => server.stop())
  for (const screen of SCREENS) {
    const session = await BrowserSession.start([server.url], screen)
    after.push(() => session.close())
    assert.equal((await session.open(`${server.url}/api-doc/`)).status(), 200)
    await session.check('api-doc')
  }
})

test('each kind of page fault is detected', async after => {
  const server = await Server.start()
  after.push(() => server.stop())
  const session = await BrowserSession.start([server.url], { width: 360 })
  after.push(() => session.close())
  await session.open(`${server.url}/api-doc/`)
  await session.page.evaluate(() => {
    const image = new Image()
    image.src = 'http://127.0.0.1:9/x.png'
    const wide = document.createElement('p')
    wide.textContent = 'wide'
    wide.style.width = '2000px'
    document.body.append(image, wide)
    console.error('wrong')
    setTimeout(() => { throw new Error('thrown') })
  })
  // The faults are reported asynchronously and in any order.
  for (const expected of ['policy violation: img-src', 'console error: wrong', 'error in the page: thrown']) {
    const isReported = () => session.faults.some(fault => fault.startsWith(expected))
    await waitUntil(expected, isReported).catch(error => assert.fail(`${error.message}; reported: ${session.faults.join('; ')}`))
  }
  assert.ok(await session.horizontalOverflow() > 1000)
  assert.ok((await session.axeViolations()).some(violation => violation.startsWith('image-alt')))
  await assert.rejects(() => session.check('faulty'))

  const other = await BrowserSession.start([server.url])
  after.push(() => other.close())
  await other.open('http://127.0.0.1:9/').catch(() => {})
  assert.ok(other.faults.includes('request to http://127.0.0.1:9'), other.faults.join('\n'))
})
