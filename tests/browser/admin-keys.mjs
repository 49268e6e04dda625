// Keys in the admin zone: rotated and revoked, and the key set that verifiers fetch changes.

import assert from 'node:assert/strict'

import { adminZone } from './support/admin.mjs'
import { SCREENS } from './support/browser.mjs'
import { test } from './support/test.mjs'

test('admin: a key is rotated and revoked, and the key set changes', async after => {
  const { server, enter } = await adminZone(after)
  const fetchSet = async agent => {
    const answer = await fetch(`${server.url}/.well-known/jwks.json`, { headers: { 'user-agent': agent } })
    return (await answer.json()).keys.map(key => key.kid)
  }
  const before = await fetchSet('PyJWT/2.15 (an old one that sleeps)')

  // Without a script, as anybody may come.
  const { page } = await enter({ width: 360, script: false })
  await page.getByRole('link', { name: 'Keys', exact: true }).click()
  await page.getByRole('link', { name: 'Rotate ES256 …' }).click()
  await page.getByText('no token is refused').waitFor()
  await page.getByRole('button', { name: 'Publish the new key' }).click()
  await page.getByText('Published: ES256 key').waitFor()
  const rotated = await fetchSet('jose/6')
  assert.equal(rotated.length, before.length + 1)
  await page.reload()
  await page.getByText('1 of the 2 that fetched the key set').waitFor()

  await page.getByRole('link', { name: 'Rotate RS256 at once …' }).click()
  await page.getByRole('button', { name: 'Sign with a new key now' }).click()
  await page.getByText('Published: RS256 key').waitFor()

  const next = rotated.find(kid => !before.includes(kid))
  for (const screen of SCREENS) {
    const visit = await enter(screen)
    await visit.open(`${server.url}/admin/keys`)
    await visit.sound('admin-keys')
    await visit.open(`${server.url}/admin/keys/rotate-now?alg=all`)
    await visit.sound('admin-keys-rotate-now')
    await visit.open(`${server.url}/admin/keys/revoke?kid=${next}`)
    await visit.sound('admin-keys-revoke')
  }

  await page.getByRole('link', { name: `Revoke ${next}` }).click()
  await page.getByRole('button', { name: 'Revoke the key for good' }).click()
  await page.getByText(`The key ${next} is revoked.`).waitFor()
  assert.ok(!(await fetchSet('jose/6')).includes(next))
  const last = await enter({ width: 1280 })
  await last.open(`${server.url}/admin/keys`)
  await last.sound('admin-keys-revoked')
})
