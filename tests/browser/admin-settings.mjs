// Settings in the admin zone: a lifetime is changed, and the next token carries it.

import assert from 'node:assert/strict'

import { adminZone, claims } from './support/admin.mjs'
import { SCREENS } from './support/browser.mjs'
import { test } from './support/test.mjs'

const LIFETIME = 'profiles.jwt_issuer.access_lifetime'

test('admin: a lifetime is changed and the next token carries it', async after => {
  const { server, enter } = await adminZone(after)
  server.create('anna')
  const span = async () => (({ exp, iat }) => exp - iat)(claims(await server.token('anna')))
  assert.equal(await span(), 86_400)

  // Without a script, as anybody may come.
  const { page } = await enter({ width: 360, script: false })
  await page.getByRole('link', { name: 'Settings' }).click()
  const setting = page.locator(`[id="${LIFETIME}"]`)
  await setting.getByLabel('Access lifetime').fill('5m')
  await setting.getByRole('button', { name: 'Save' }).click()
  await page.getByText(`${LIFETIME} is 300, from the next token on.`).waitFor()
  assert.equal(await span(), 300)
  assert.match(await setting.innerText(), /300 seconds = 5 min/)

  for (const screen of SCREENS) {
    const other = await enter(screen)
    await other.open(`${server.url}/admin/settings`)
    await other.sound('admin-settings')
    const field = other.page.locator(`[id="${LIFETIME}"]`)
    await field.getByLabel('Access lifetime').fill('none at all')
    await field.getByRole('button', { name: 'Save' }).click()
    await other.page.getByRole('alert').waitFor()
    assert.match(await field.innerText(), /This must be 1 to 7776000 seconds/)
    await other.sound('admin-settings-problem')
  }

  await setting.getByRole('button', { name: 'Reset' }).click()
  await page.getByText('is 86400 (the default)').waitFor()
  assert.equal(await span(), 86_400)
})
