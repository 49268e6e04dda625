// How the provider can lie, talk nonsense or fall silent. A fault is `PLACE:WHAT`; PLACE is a route (below), `id_token`
// or `callback`, which is how the browser is sent back.

import { createHmac, createPublicKey } from 'node:crypto'

import { jose } from './issuer.mjs'

const ROUTES = [
  [/^\/\.well-known\/openid-configuration$/, 'discovery'],
  [/^\/jwks$/, 'jwks'],
  [/\/access_token$|^\/token$/, 'token'],
  [/\/user\/emails$/, 'emails'],
  [/\/user$|\/me$/, 'userinfo'],
]

export const place = path => ROUTES.find(([pattern]) => pattern.test(path))?.[1]

const HOUR = 3600
const MIB = 2 ** 20
const part = value => Buffer.from(JSON.stringify(value)).toString('base64url')
const now = () => Math.floor(Date.now() / 1000)
const json = (status, body) => ({ status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

// At any route, whatever it would have said: another answer, or what to do to the connection.
const ANYWHERE = {
  html: () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><h1>Under construction</h1>' }),
  huge: answer => ({ ...answer, body: answer.body.replace(/^([{[])/, `$1${' '.repeat(MIB)}`) }),
  'huge-text': () => json(200, { error: 'x'.repeat(MIB) }),
  empty: () => ({ status: 200, headers: { 'content-type': 'application/json' }, body: '' }),
  list: () => json(200, []),
  null: () => json(200, null),
  deep: () => ({ status: 200, headers: { 'content-type': 'application/json' }, body: '['.repeat(100_000) }),
  broken: () => json(500, { error: 'server_error' }),
  refused: () => json(400, { error: 'invalid_grant', error_description: '<script>alert(1)</script>' }),
  'refused-oddly': () => json(400, { error: `<script>${'x'.repeat(5000)}` }),
  redirect: (_answer, { url }) => ({ status: 302, headers: { location: `${url}/-/elsewhere` }, body: '' }),
  close: () => 'close',
  half: () => 'half',
  silent: () => 'silent',
}

const change = rule => answer => ({ ...answer, body: JSON.stringify(rule(JSON.parse(answer.body))) })
const without = name => change(({ [name]: _, ...rest }) => rest)

const AT = {
  'discovery:issuer': change(found => ({ ...found, issuer: 'http://127.0.0.1:9' })),
  'discovery:slash': change(found => ({ ...found, issuer: `${found.issuer}/` })),
  'discovery:plain-http': change(found => ({ ...found, token_endpoint: 'http://provider.example.org/token' })),
  'discovery:no-token-endpoint': without('token_endpoint'),
  'discovery:no-jwks': without('jwks_uri'),
  'discovery:post-only': change(found => ({ ...found, token_endpoint_auth_methods_supported: ['client_secret_post'] })),
  'jwks:no-keys': change(() => ({ keys: [] })),
  'token:no-access-token': without('access_token'),
  'token:no-refresh-token': without('refresh_token'),
  'userinfo:other-sub': change(found => ({ ...found, sub: 'somebody-else' })),
  'userinfo:no-sub': without('sub'),
  'userinfo:no-id': without('id'),
  'userinfo:odd-types': change(() => ({ sub: ['a'], id: { a: 1 }, email: 7, name: [] })),
  'userinfo:verified-as-text': change(found => ({ ...found, email_verified: 'false' })),
  'emails:none': change(() => []),
  'emails:odd-types': change(() => [7, { email: [] }]),
}

// Claims of the ID token that are changed before it is signed, rightly, again.
const CLAIMS = {
  iss: claims => ({ ...claims, iss: 'http://127.0.0.1:9' }),
  aud: claims => ({ ...claims, aud: 'another-client' }),
  'aud-extra': claims => ({ ...claims, aud: [claims.aud, 'another-client'] }),
  'aud-none': ({ aud: _, ...claims }) => claims,
  azp: claims => ({ ...claims, azp: 'another-client' }),
  nonce: claims => ({ ...claims, nonce: 'another-nonce' }),
  'no-nonce': ({ nonce: _, ...claims }) => claims,
  expired: claims => ({ ...claims, iat: now() - 2 * HOUR, exp: now() - HOUR }),
  'no-exp': ({ exp: _, ...claims }) => claims,
  'no-iat': ({ iat: _, ...claims }) => claims,
  'from-the-future': claims => ({ ...claims, iat: now() + HOUR, exp: now() + 2 * HOUR }),
  'no-sub': ({ sub: _, ...claims }) => claims,
  'empty-sub': claims => ({ ...claims, sub: '' }),
  'number-sub': claims => ({ ...claims, sub: 7 }),
  'long-sub': claims => ({ ...claims, sub: 'x'.repeat(256) }),
  // These are no faults.
  full: (claims, person) => ({ ...person, ...claims }),
  'aud-list': claims => ({ ...claims, aud: [claims.aud] }),
  'aud-azp': claims => ({ ...claims, aud: [claims.aud, 'another-client'], azp: claims.aud }),
}

const sign = async (header, claims, jwk) =>
  new jose.SignJWT(claims).setProtectedHeader(header).sign(await jose.importJWK(jwk, header.alg), { crit: { 'unheard-of': true } })

async function stranger(alg, kid) {
  const { privateKey } = await jose.generateKeyPair(alg, { extractable: true })
  return { ...(await jose.exportJWK(privateKey)), kid, alg }
}

const publicHalf = ({ kty, crv, x, y, n, e, kid, alg }) => ({ kty, crv, x, y, n, e, kid, alg, use: 'sig' })

// HMAC with a text as the secret (RFC 8725 §2.1).
function mac(header, claims, secret) {
  const input = `${part({ ...header, alg: 'HS256' })}.${part(claims)}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

// Whole tokens.
const TOKENS = {
  'alg-none': ({ header, claims }) => `${part({ ...header, alg: 'none' })}.${part(claims)}.`,
  'hs256-public': ({ header, claims, key }) => mac(header, claims, createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' })),
  'hs256-secret': ({ header, claims, secret }) => mac(header, claims, secret),
  'other-key': async ({ header, claims }) => sign(header, claims, await stranger(header.alg, header.kid)),
  'unknown-kid': async ({ header, claims }) => sign({ ...header, kid: 'unknown' }, claims, await stranger(header.alg, 'unknown')),
  jwk: async ({ header, claims }) => {
    const key = await stranger(header.alg, 'mine')
    return sign({ alg: header.alg, kid: 'mine', jwk: publicHalf(key) }, claims, key)
  },
  jku: async ({ header, claims, state }) => {
    const key = await stranger(header.alg, 'mine')
    state.strange = { keys: [publicHalf(key)] }
    return sign({ alg: header.alg, kid: 'mine', jku: `${state.url}/-/strange` }, claims, key)
  },
  crit: ({ header, claims, key }) => sign({ ...header, crit: ['unheard-of'], 'unheard-of': 1 }, claims, key),
  changed: ({ token, claims }) => {
    const [head, , signature] = token.split('.')
    return `${head}.${part({ ...claims, sub: 'somebody-else' })}.${signature}`
  },
  garbage: () => 'a.b.c',
  number: () => 7,
  missing: () => undefined,
}

async function idToken(what, answer, state) {
  const body = JSON.parse(answer.body)
  if (!body.id_token) return answer
  const token = body.id_token
  const header = jose.decodeProtectedHeader(token)
  const claims = jose.decodeJwt(token)
  const key = state.keys.find(one => one.kid === header.kid)
  if (what in TOKENS) body.id_token = await TOKENS[what]({ token, header, claims, key, secret: state.secret, state })
  else body.id_token = await sign(header, CLAIMS[what](claims, state.person(claims.sub)), key)
  return { ...answer, body: JSON.stringify(body) }
}

// On the way back to the client only: its `iss` (RFC 9207), or what must be there.
const CALLBACK = {
  iss: url => url.searchParams.set('iss', 'http://127.0.0.1:9'),
  'no-iss': url => url.searchParams.delete('iss'),
  'no-code': url => url.searchParams.delete('code'),
  'no-state': url => url.searchParams.delete('state'),
  'other-state': url => url.searchParams.set('state', 'another-state'),
  'other-code': url => url.searchParams.set('code', 'another-code'),
}

function callback(what, answer, state) {
  const location = answer.headers.location
  if (!location || location.startsWith(state.url) || !URL.canParse(location)) return answer
  const url = new URL(location)
  CALLBACK[what](url)
  return { ...answer, headers: { ...answer.headers, location: url.href } }
}

export function known(fault) {
  const [where, what] = fault.split(':')
  if (where === 'id_token') return what in CLAIMS || what in TOKENS
  if (where === 'callback') return what in CALLBACK
  return fault in AT || (what in ANYWHERE && ROUTES.some(([, name]) => name === where))
}

// The answer with the fault in it, if it is one of this route's; or `close`, `half`, `silent`.
export async function distort(fault, path, answer, state) {
  const [where, what] = fault.split(':')
  if (where === 'callback') return callback(what, answer, state)
  if (where === 'id_token') return place(path) === 'token' && answer.status === 200 ? idToken(what, answer, state) : answer
  if (where !== place(path)) return answer
  if (fault in AT) return answer.status === 200 ? AT[fault](answer) : answer
  return ANYWHERE[what](answer, state)
}
