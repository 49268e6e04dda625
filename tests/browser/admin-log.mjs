// Mails and the audit log in the admin zone: read, filtered, exported.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

import { adminZone } from './support/admin.mjs'
import { SCREENS } from './support/browser.mjs'
import { settle } from './support/server.mjs'
import { test } from './support/test.mjs'

// Nobody listens there.
const NO_MAIL_SERVER = "[email]\nhost = '127.0.0.1'\nport = 1\nsecurity = 'none'\nfrom = 'no-reply@example.com'\n"

test('admin: a mail that failed is tried again, and each mail can be looked at', async after => {
  const { server, enter } = await adminZone(after, NO_MAIL_SERVER)
  for (const name of ['anna', 'berta']) {
    server.create(name)
    assert.equal((await server.post('/restore', { restoring_email: `${name}@example.com` })).status, 200)
  }
  const { page } = await enter({ width: 360, script: false })
  await page.getByRole('link', { name: 'Mails', exact: true }).click()
  await settle('a failure', async () => (await page.reload()) && (await page.getByText('tried again in').count()) === 2)
  await page.getByRole('button', { name: 'Try now' }).first().click()
  await page.getByText('is tried now: look again in a moment.').waitFor()

  for (const screen of SCREENS) {
    const visit = await enter(screen)
    await visit.open(`${server.url}/admin/mails`)
    await visit.sound('admin-mails')
    await visit.page.getByRole('link', { name: 'What each mail says' }).click()
    const letter = visit.page.frameLocator('iframe[title="reset_code as HTML"]')
    await letter.getByText('anna').first().waitFor()
    await visit.sound('admin-mail-templates')
  }
})

test('admin: the audit log is filtered and exported', async after => {
  const { server, enter } = await adminZone(after)
  server.create('anna')
  for (let number = 0; number < 60; number += 1) server.run(['settings', 'set', 'sessions.reuse_grace', String(number)])
  await server.token('anna')

  const { page } = await enter({ width: 360, script: false })
  await page.getByRole('link', { name: 'Audit log' }).click()
  await page.getByRole('link', { name: 'Older →' }).click()
  await page.getByRole('link', { name: '← Newest' }).click()
  await page.getByLabel('User').fill('anna')
  await page.getByLabel('Action').selectOption('signed_in')
  await page.getByRole('button', { name: 'Filter' }).click()
  assert.equal(await page.locator('tbody tr').count(), 1)
  const download = page.waitForEvent('download')
  await page.getByRole('link', { name: 'CSV' }).click()
  const lines = readFileSync(await (await download).path(), 'utf8').trim().split('\r\n')
  assert.equal(lines.length, 2)
  assert.match(lines[1], /,signed_in,\d+,anna,/)

  for (const screen of SCREENS) {
    const visit = await enter(screen)
    await visit.open(`${server.url}/admin/audit`)
    await visit.sound('admin-audit')
    await visit.open(`${server.url}/admin/audit?user=nobody`)
    await visit.sound('admin-audit-problem')
  }
})
