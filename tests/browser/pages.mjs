// Every page that anybody may see, on a telephone and on a desk, by day and by night.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

import { SCREENS, Visit } from './support/browser.mjs'
import { PASSWORD, Server, settle } from './support/server.mjs'
import { test } from './support/test.mjs'

const NEW_PASSWORD = 'battery staple correct'

// The link in the mail that is sent for an address.
async function restoringLink(server, email) {
  const answer = await server.post('/restore', { restoring_email: email })
  assert.equal(answer.status, 200)
  const folder = join(server.folder, 'data', 'mail')
  const name = await settle('a mail', () => {
    try {
      return readdirSync(folder).find(file => file.endsWith('.eml'))
    } catch {
      return undefined
    }
  })
  const text = server.read(join('data', 'mail', name)).replace(/=\r?\n/g, '').replace(/=3D/g, '=')
  return /http:\/\/\S*\?restoring=[\w.~-]+/.exec(text)[0]
}

async function fill(page, password, again) {
  await page.getByLabel('New password', { exact: true }).fill(password)
  await page.getByLabel('New password once more').fill(again)
  await page.getByRole('button', { name: 'Set the password' }).click()
}

test('a password is chosen anew on the page a mail leads to', async after => {
  const server = await Server.start()
  after.push(() => server.stop())
  server.create('anna')
  const link = await restoringLink(server, 'anna@example.com')
  for (const screen of SCREENS) {
    const visit = await Visit.begin([server.url], screen)
    after.push(() => visit.end())
    assert.equal((await visit.open(link)).status(), 200)
    assert.equal(await visit.page.evaluate(() => document.activeElement.id), 'password')
    await visit.sound('restore-form')
    await fill(visit.page, NEW_PASSWORD, PASSWORD)
    await visit.page.getByRole('alert').waitFor()
    await visit.sound('restore-problem')
  }
  const visit = await Visit.begin([server.url], { width: 360, script: false })
  after.push(() => visit.end())
  await visit.open(link)
  await fill(visit.page, NEW_PASSWORD, NEW_PASSWORD)
  await visit.page.getByRole('status').waitFor()
  await visit.sound('restore-done')
  assert.equal((await server.post('/auth', { username: 'anna', password: NEW_PASSWORD })).status, 200)

  for (const screen of SCREENS) {
    const again = await Visit.begin([server.url], screen)
    after.push(() => again.end())
    await again.open(link)
    await fill(again.page, PASSWORD, PASSWORD)
    await again.page.getByRole('alert').waitFor()
    await again.sound('restore-used')
  }
})

test('the description of the routes can be read', async after => {
  const server = await Server.start()
  after.push(() => server.stop())
  for (const screen of SCREENS) {
    const visit = await Visit.begin([server.url], screen)
    after.push(() => visit.end())
    assert.equal((await visit.open(`${server.url}/api-doc/`)).status(), 200)
    await visit.sound('api-doc')
  }
})

test('the judges judge: each kind of fault is seen', async after => {
  const server = await Server.start()
  after.push(() => server.stop())
  const visit = await Visit.begin([server.url], { width: 360 })
  after.push(() => visit.end())
  await visit.open(`${server.url}/api-doc/`)
  await visit.page.evaluate(() => {
    const image = new Image()
    image.src = 'http://127.0.0.1:9/x.png'
    const wide = document.createElement('p')
    wide.textContent = 'wide'
    wide.style.width = '2000px'
    document.body.append(image, wide)
    console.error('wrong')
    setTimeout(() => { throw new Error('thrown') })
  })
  // They come by several ways, one later than another.
  for (const what of ['against the policy: img-src', 'on the console: wrong', 'an error in the page: thrown']) {
    const seen = () => visit.faults.some(fault => fault.startsWith(what))
    await settle(what, seen).catch(error => assert.fail(`${error.message} among ${visit.faults.join('; ')}`))
  }
  assert.ok(await visit.overhang() > 1000)
  assert.ok((await visit.findings()).some(one => one.startsWith('image-alt')))
  await assert.rejects(() => visit.sound('judged'))

  const astray = await Visit.begin([server.url])
  after.push(() => astray.end())
  await astray.open('http://127.0.0.1:9/').catch(() => {})
  assert.ok(astray.faults.includes('asks http://127.0.0.1:9'), astray.faults.join('\n'))
})
