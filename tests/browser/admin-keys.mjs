// Keys in the admin zone: rotation and revocation, and their effect on the JWKS.

import assert from 'node:assert/strict'

import { adminZone } from './support/admin.mjs'
import { SCREENS } from './support/browser.mjs'
import { test } from './support/test.mjs'

test('rotating and revoking a key changes the JWKS', async after => {
  const { server, signIn } = await adminZone(after)
  const fetchKids = async agent => {
    const response = await fetch(`${server.url}/.well-known/jwks.json`, { headers: { 'user-agent': agent } })
    return (await response.json()).keys.map(key => key.kid)
  }
  const before = await fetchKids('PyJWT/2.15 (outdated cache)')

  // The admin zone must work without JavaScript.
  const { page } = await signIn({ width: 360, script: false })
  await page.getByRole('link', { name: 'Keys', exact: true }).click()
  await page.getByRole('link', { name: 'Rotate ES256 …' }).click()
  await page.getByText('refuse no token').waitFor()
  await page.getByRole('button', { name: 'Publish the new key' }).click()
  await page.getByText('Published: ES256 key').waitFor()
  const rotated = await fetchKids('jose/6')
  assert.equal(rotated.length, before.length + 1)
  await page.reload()
  await page.getByText('1 of the 2 clients that fetched the JWKS').waitFor()

  await page.getByRole('link', { name: 'Rotate RS256 now …' }).click()
  await page.getByRole('button', { name: 'Sign with a new key now' }).click()
  await page.getByText('Published: RS256 key').waitFor()

  const next = rotated.find(kid => !before.includes(kid))
  for (const screen of SCREENS) {
    const session = await signIn(screen)
    await session.open(`${server.url}/admin/keys`)
    await session.check('admin-keys')
    await session.open(`${server.url}/admin/keys/rotate-now?alg=all`)
    await session.check('admin-keys-rotate-now')
    await session.open(`${server.url}/admin/keys/revoke?kid=${next}`)
    await session.check('admin-keys-revoke')
  }

  await page.getByRole('link', { name: `Revoke ${next}` }).click()
  await page.getByRole('button', { name: 'Revoke the key permanently' }).click()
  await page.getByText(`The key ${next} was revoked.`).waitFor()
  assert.ok(!(await fetchKids('jose/6')).includes(next))
  const last = await signIn({ width: 1280 })
  await last.open(`${server.url}/admin/keys`)
  await last.check('admin-keys-revoked')
})
