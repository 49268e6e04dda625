// Tests the provider and each of its faults with a minimal client, which verifies ID tokens with jose.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

if (!existsSync(new URL('../../.test-tools/node/node_modules/oidc-provider', import.meta.url))) {
  console.error('SKIPPED provider: .test-tools/node has no packages; run scripts/test-tools')
  process.exit(77)
}
const { jose } = await import('./issuer.mjs')

const CALLBACK = 'http://127.0.0.1:9/corp/callback/'
const server = spawn(process.execPath, [fileURLToPath(new URL('server.mjs', import.meta.url)), 'http://127.0.0.1/corp/callback/'], {
  stdio: ['pipe', 'pipe', 'inherit'],
})
const { url, secret } = await new Promise(done => createInterface(server.stdout).once('line', line => done(JSON.parse(line))))
const form = values => ({ method: 'POST', body: new URLSearchParams(values), redirect: 'manual' })
const setFault = async what => assert.equal((await fetch(`${url}/-/fault`, { method: 'PUT', body: what })).status, 200, what)

// Signs in as a browser does. Returns the query parameters of the callback URL.
async function signIn(start, login) {
  const cookies = new Map()
  let [next, options] = [start, { redirect: 'manual' }]
  for (;;) {
    const headers = { cookie: [...cookies].map(pair => pair.join('=')).join('; ') }
    const response = await fetch(next, { ...options, headers })
    for (const cookie of response.headers.getSetCookie()) cookies.set(...cookie.split(';')[0].split(/=(.*)/s))
    const location = response.headers.get('location')
    if (location?.startsWith(CALLBACK)) return new URL(location).searchParams
    const text = await response.text()
    assert.ok(location || text.includes('<form'), `${response.status} ${text}`)
    options = location ? { redirect: 'manual' } : form({ prompt: /name="prompt" value="(\w+)"/.exec(text)?.[1] ?? '', login, password: 'any' })
    next = new URL(location ?? /action="([^"]+)"/.exec(text)[1].replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code)), next)
  }
}

const verifier = randomBytes(32).toString('base64url')
const authorizationQuery = client_id => new URLSearchParams({
  client_id, response_type: 'code', redirect_uri: CALLBACK, scope: 'openid email profile', state: 'a state', nonce: 'a nonce',
  code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
})

// Signs in and returns the token endpoint's response to the code.
async function redeem(authorize, token, client_id = 'countersign', changed = {}) {
  const back = await signIn(`${url}${authorize}?${authorizationQuery(client_id)}`, 'anna')
  assert.equal(back.get('state'), 'a state')
  const body = { grant_type: 'authorization_code', code: back.get('code'), redirect_uri: CALLBACK, code_verifier: verifier, ...changed }
  const basic = !token.includes('/', 1) && client_id !== 'countersign-post'
  const encode = text => new URLSearchParams({ '': text }).toString().slice(1)
  const headers = { accept: 'application/json', ...(basic && { authorization: `Basic ${btoa(`${encode(client_id)}:${encode(secret)}`)}` }) }
  const options = form({ ...body, ...(!basic && { client_id, client_secret: secret }) })
  return fetch(`${url}${token}`, { ...options, headers })
}

// The claims of a valid ID token. Throws if a correct client would reject it.
async function verifyIdToken(token) {
  const keys = await (await fetch(`${url}/jwks`)).json()
  const options = { issuer: url, audience: 'countersign', algorithms: ['RS256', 'ES256'], requiredClaims: ['exp', 'iat', 'sub'], maxTokenAge: '1h' }
  const { payload } = await jose.jwtVerify(token, jose.createLocalJWKSet(keys), options)
  assert.equal(payload.nonce, 'a nonce')
  assert.ok(typeof payload.sub === 'string' && payload.sub.length > 0 && payload.sub.length < 256)
  assert.ok([payload.aud].flat().length === 1 || payload.azp)
  assert.ok(!payload.azp || payload.azp === 'countersign')
  assert.ok(!jose.decodeProtectedHeader(token).jku)
  return payload
}

const cases = {
  async 'a sign-in returns an ID token, claims and a refresh token'() {
    for (const client of ['countersign', 'countersign-post']) {
      const tokens = await (await redeem('/auth', '/token', client)).json()
      assert.ok(tokens.id_token, JSON.stringify(tokens))
      if (client === 'countersign') assert.equal((await verifyIdToken(tokens.id_token)).sub, 'anna')
      const me = await (await fetch(`${url}/me`, { headers: { authorization: `Bearer ${tokens.access_token}` } })).json()
      assert.deepEqual([me.sub, me.email, me.email_verified, me.preferred_username], ['anna', 'anna@example.com', true, 'anna'])
      assert.ok(tokens.refresh_token)
      const { issued } = await (await fetch(`${url}/-/stats`)).json()
      assert.ok(issued.includes(tokens.refresh_token) && issued.includes(tokens.access_token))
    }
  },
  async 'a code is valid only with its verifier'() {
    for (const [authorize, token, status] of [['/auth', '/token', 400], ['/github/login/oauth/authorize', '/github/login/oauth/access_token', 200]]) {
      const response = await redeem(authorize, token, 'countersign', { code_verifier: 'x'.repeat(43) })
      assert.equal(response.status, status)
      assert.ok((await response.json()).error)
    }
  },
  async 'valid ID tokens are accepted'() {
    for (const what of ['', 'id_token:full', 'id_token:aud-list', 'id_token:aud-azp']) {
      await setFault(what)
      await verifyIdToken((await (await redeem('/auth', '/token')).json()).id_token)
    }
  },
  async 'the GitHub and Facebook stand-ins return their documented responses'() {
    const github = await (await redeem('/github/login/oauth/authorize', '/github/login/oauth/access_token')).json()
    const as = { headers: { authorization: `Bearer ${github.access_token}`, 'user-agent': 'us' } }
    assert.equal((await (await fetch(`${url}/github/user`, as)).json()).login, 'anna')
    const emails = await (await fetch(`${url}/github/user/emails`, as)).json()
    assert.equal(emails.find(email => email.primary).email, 'anna@example.com')
    const facebook = await (await redeem('/facebook/dialog/oauth', '/facebook/oauth/access_token')).json()
    const proof = createHmac('sha256', secret).update(facebook.access_token).digest('hex')
    const fetchUser = proof => fetch(`${url}/facebook/me?${new URLSearchParams({ fields: 'id,email', access_token: facebook.access_token, appsecret_proof: proof })}`)
    assert.deepEqual(Object.keys(await (await fetchUser(proof)).json()), ['id', 'email'])
    assert.equal((await fetchUser('wrong')).status, 400)
  },
}
for (const what of ['iss', 'aud', 'aud-extra', 'aud-none', 'azp', 'nonce', 'no-nonce', 'expired', 'no-exp', 'no-iat', 'from-the-future', 'no-sub',
  'empty-sub', 'number-sub', 'long-sub', 'alg-none', 'hs256-public', 'hs256-secret', 'other-key', 'unknown-kid', 'jwk', 'jku', 'crit', 'changed',
  'garbage', 'number', 'missing']) {
  cases[`an ID token with the fault ${what} is rejected`] = async () => {
    await setFault(`id_token:${what}`)
    const { id_token } = await (await redeem('/auth', '/token')).json()
    await assert.rejects(() => verifyIdToken(id_token))
  }
}
for (const what of ['html', 'empty', 'list', 'null', 'deep', 'broken', 'refused', 'redirect', 'close', 'half', 'huge-text']) {
  cases[`a JWKS with the fault ${what} is invalid`] = async () => {
    await setFault(`jwks:${what}`)
    await assert.rejects(async () => assert.ok((await (await fetch(`${url}/jwks`, { redirect: 'manual' })).json()).keys instanceof Array))
  }
}

const count = { passed: 0, failed: 0 }
for (const [name, run] of Object.entries(cases)) {
  try {
    await run()
    count.passed += 1
  } catch (error) {
    count.failed += 1
    console.log(`FAILED: ${name}: ${error.stack}`)
  }
  await setFault('')
}
server.stdin.end()
console.log(`test result: ${count.failed ? 'FAILED' : 'ok'}. ${count.passed} passed; ${count.failed} failed;`)
process.exit(count.failed ? 1 : 0)
