// The outbox and the audit log in the admin zone.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

import { adminZone } from './support/admin.mjs'
import { SCREENS } from './support/browser.mjs'
import { waitUntil } from './support/server.mjs'
import { test } from './support/test.mjs'

// No mail server listens on this port.
const NO_MAIL_SERVER = "[email]\nhost = '127.0.0.1'\nport = 1\nsecurity = 'none'\nfrom = 'no-reply@example.com'\n"

test('a failed e-mail is retried and every e-mail template is previewed', async after => {
  const { server, signIn } = await adminZone(after, NO_MAIL_SERVER)
  for (const name of ['anna', 'berta']) {
    server.create(name)
    assert.equal((await server.post('/restore', { restoring_email: `${name}@example.com` })).status, 200)
  }
  const { page } = await signIn({ width: 360, script: false })
  await page.getByRole('link', { name: 'E-mails', exact: true }).click()
  await waitUntil('both e-mails failed once', async () => (await page.reload()) && (await page.getByText('next attempt in').count()) === 2)
  await page.getByRole('button', { name: 'Retry now' }).first().click()
  await page.getByText('is retried now. Reload this page in a moment.').waitFor()

  for (const screen of SCREENS) {
    const session = await signIn(screen)
    await session.open(`${server.url}/admin/mails`)
    await session.check('admin-mails')
    await session.page.getByRole('link', { name: 'E-mail templates' }).click()
    const preview = session.page.frameLocator('iframe[title="reset_code as HTML"]')
    await preview.getByText('anna').first().waitFor()
    await session.check('admin-mail-templates')
  }
})

test('the audit log is filtered and exported', async after => {
  const { server, signIn } = await adminZone(after)
  server.create('anna')
  for (let number = 0; number < 60; number += 1) server.run(['settings', 'set', 'sessions.reuse_grace', String(number)])
  await server.token('anna')

  const { page } = await signIn({ width: 360, script: false })
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
    const session = await signIn(screen)
    await session.open(`${server.url}/admin/audit`)
    await session.check('admin-audit')
    await session.open(`${server.url}/admin/audit?user=nobody`)
    await session.check('admin-audit-problem')
  }
})
