// Settings in the admin zone: a changed lifetime applies to the next token.

import assert from 'node:assert/strict'

import { adminZone, claims } from './support/admin.mjs'
import { SCREENS } from './support/browser.mjs'
import { test } from './support/test.mjs'

const LIFETIME = 'profiles.jwt_issuer.access_lifetime'

test('a changed lifetime applies to the next token', async after => {
  const { server, signIn } = await adminZone(after)
  server.create('anna')
  const lifetime = async () => (({ exp, iat }) => exp - iat)(claims(await server.token('anna')))
  assert.equal(await lifetime(), 86_400)

  // The admin zone must work without JavaScript.
  const { page } = await signIn({ width: 360, script: false })
  await page.getByRole('link', { name: 'Settings' }).click()
  const setting = page.locator(`[id="${LIFETIME}"]`)
  await setting.getByLabel('Access lifetime').fill('5m')
  await setting.getByRole('button', { name: 'Save' }).click()
  await page.getByText(`${LIFETIME} is now 300. The change applies immediately.`).waitFor()
  assert.equal(await lifetime(), 300)
  assert.match(await setting.innerText(), /300 seconds = 5 min/)

  for (const screen of SCREENS) {
    const session = await signIn(screen)
    await session.open(`${server.url}/admin/settings`)
    await session.check('admin-settings')
    const field = session.page.locator(`[id="${LIFETIME}"]`)
    await field.getByLabel('Access lifetime').fill('none at all')
    await field.getByRole('button', { name: 'Save' }).click()
    await session.page.getByRole('alert').waitFor()
    assert.match(await field.innerText(), /This must be 1 to 7776000 seconds/)
    await session.check('admin-settings-problem')
  }

  await setting.getByRole('button', { name: 'Reset' }).click()
  await page.getByText('is now 86400 (the default)').waitFor()
  assert.equal(await lifetime(), 86_400)
})
