// The faults of the provider. A fault is `ROUTE:FAULT`; ROUTE is a route name (below), `id_token`, or `callback` for
// the redirect back to the server.

import { createHmac, createPublicKey } from 'node:crypto'

import { jose } from './issuer.mjs'

const ROUTES = [
  [/^\/\.well-known\/openid-configuration$/, 'discovery'],
  [/^\/jwks$/, 'jwks'],
  [/\/access_token$|^\/token$/, 'token'],
  [/\/user\/emails$/, 'emails'],
  [/\/user$|\/me$/, 'userinfo'],
]

export const routeName = path => ROUTES.find(([pattern]) => pattern.test(path))?.[1]

const HOUR = 3600
const MIB = 2 ** 20
const part = value => Buffer.from(JSON.stringify(value)).toString('base64url')
const now = () => Math.floor(Date.now() / 1000)
const json = (status, body) => ({ status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

// Faults at any route: another response, or an action on the connection.
const ANY_ROUTE = {
  html: () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><h1>Under construction</h1>' }),
  huge: response => ({ ...response, body: response.body.replace(/^([{[])/, `$1${' '.repeat(MIB)}`) }),
  'huge-text': () => json(200, { error: 'x'.repeat(MIB) }),
  empty: () => ({ status: 200, headers: { 'content-type': 'application/json' }, body: '' }),
  list: () => json(200, []),
  null: () => json(200, null),
  deep: () => ({ status: 200, headers: { 'content-type': 'application/json' }, body: '['.repeat(100_000) }),
  broken: () => json(500, { error: 'server_error' }),
  refused: () => json(400, { error: 'invalid_grant', error_description: '<script>alert(1)</script>' }),
  'refused-oddly': () => json(400, { error: `<script>${'x'.repeat(5000)}` }),
  redirect: (_response, { url }) => ({ status: 302, headers: { location: `${url}/-/elsewhere` }, body: '' }),
  close: () => 'close',
  half: () => 'half',
  silent: () => 'silent',
}

const change = rule => response => ({ ...response, body: JSON.stringify(rule(JSON.parse(response.body))) })
const without = name => change(({ [name]: _, ...rest }) => rest)

const ONE_ROUTE = {
  'discovery:issuer': change(document => ({ ...document, issuer: 'http://127.0.0.1:9' })),
  'discovery:slash': change(document => ({ ...document, issuer: `${document.issuer}/` })),
  'discovery:plain-http': change(document => ({ ...document, token_endpoint: 'http://provider.example.org/token' })),
  'discovery:no-token-endpoint': without('token_endpoint'),
  'discovery:no-jwks': without('jwks_uri'),
  'discovery:post-only': change(document => ({ ...document, token_endpoint_auth_methods_supported: ['client_secret_post'] })),
  'jwks:no-keys': change(() => ({ keys: [] })),
  'token:no-access-token': without('access_token'),
  'token:no-refresh-token': without('refresh_token'),
  'userinfo:other-sub': change(document => ({ ...document, sub: 'other-user' })),
  'userinfo:no-sub': without('sub'),
  'userinfo:no-id': without('id'),
  'userinfo:odd-types': change(() => ({ sub: ['a'], id: { a: 1 }, email: 7, name: [] })),
  'userinfo:verified-as-text': change(document => ({ ...document, email_verified: 'false' })),
  'emails:none': change(() => []),
  'emails:odd-types': change(() => [7, { email: [] }]),
}

// Faults in claims of the ID token. The provider signs the changed claims, so the signature is valid.
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
  // These variants are valid.
  full: (claims, user) => ({ ...user, ...claims }),
  'aud-list': claims => ({ ...claims, aud: [claims.aud] }),
  'aud-azp': claims => ({ ...claims, aud: [claims.aud, 'another-client'], azp: claims.aud }),
}

const sign = async (header, claims, jwk) =>
  new jose.SignJWT(claims).setProtectedHeader(header).sign(await jose.importJWK(jwk, header.alg), { crit: { 'unknown-extension': true } })

async function attackerKey(alg, kid) {
  const { privateKey } = await jose.generateKeyPair(alg, { extractable: true })
  return { ...(await jose.exportJWK(privateKey)), kid, alg }
}

const publicKey = ({ kty, crv, x, y, n, e, kid, alg }) => ({ kty, crv, x, y, n, e, kid, alg, use: 'sig' })

// HS256 with a public or shared text as the secret (RFC 8725 §2.1).
function mac(header, claims, secret) {
  const input = `${part({ ...header, alg: 'HS256' })}.${part(claims)}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

// Faults that replace the whole ID token.
const TOKENS = {
  'alg-none': ({ header, claims }) => `${part({ ...header, alg: 'none' })}.${part(claims)}.`,
  'hs256-public': ({ header, claims, key }) => mac(header, claims, createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' })),
  'hs256-secret': ({ header, claims, secret }) => mac(header, claims, secret),
  'other-key': async ({ header, claims }) => sign(header, claims, await attackerKey(header.alg, header.kid)),
  'unknown-kid': async ({ header, claims }) => sign({ ...header, kid: 'unknown' }, claims, await attackerKey(header.alg, 'unknown')),
  jwk: async ({ header, claims }) => {
    const key = await attackerKey(header.alg, 'attacker')
    return sign({ alg: header.alg, kid: 'attacker', jwk: publicKey(key) }, claims, key)
  },
  jku: async ({ header, claims, state }) => {
    const key = await attackerKey(header.alg, 'attacker')
    state.attackerJwks = { keys: [publicKey(key)] }
    return sign({ alg: header.alg, kid: 'attacker', jku: `${state.url}/-/attacker-jwks` }, claims, key)
  },
  crit: ({ header, claims, key }) => sign({ ...header, crit: ['unknown-extension'], 'unknown-extension': 1 }, claims, key),
  changed: ({ token, claims }) => {
    const [head, , signature] = token.split('.')
    return `${head}.${part({ ...claims, sub: 'other-user' })}.${signature}`
  },
  garbage: () => 'a.b.c',
  number: () => 7,
  missing: () => undefined,
}

async function idToken(what, response, state) {
  const body = JSON.parse(response.body)
  if (!body.id_token) return response
  const token = body.id_token
  const header = jose.decodeProtectedHeader(token)
  const claims = jose.decodeJwt(token)
  const key = state.keys.find(key => key.kid === header.kid)
  if (what in TOKENS) body.id_token = await TOKENS[what]({ token, header, claims, key, secret: state.secret, state })
  else body.id_token = await sign(header, CLAIMS[what](claims, state.userClaims(claims.sub)), key)
  return { ...response, body: JSON.stringify(body) }
}

// Faults in the redirect to the client's callback URL: `iss` (RFC 9207), or a parameter that the client requires.
const CALLBACK = {
  iss: url => url.searchParams.set('iss', 'http://127.0.0.1:9'),
  'no-iss': url => url.searchParams.delete('iss'),
  'no-code': url => url.searchParams.delete('code'),
  'no-state': url => url.searchParams.delete('state'),
  'other-state': url => url.searchParams.set('state', 'another-state'),
  'other-code': url => url.searchParams.set('code', 'another-code'),
}

function callback(what, response, state) {
  const location = response.headers.location
  if (!location || location.startsWith(state.url) || !URL.canParse(location)) return response
  const url = new URL(location)
  CALLBACK[what](url)
  return { ...response, headers: { ...response.headers, location: url.href } }
}

export function isFault(fault) {
  const [route, what] = fault.split(':')
  if (route === 'id_token') return what in CLAIMS || what in TOKENS
  if (route === 'callback') return what in CALLBACK
  return fault in ONE_ROUTE || (what in ANY_ROUTE && ROUTES.some(([, name]) => name === route))
}

// The response with the fault, if the fault belongs to this route; or `close`, `half` or `silent`.
export async function injectFault(fault, path, response, state) {
  const [route, what] = fault.split(':')
  if (route === 'callback') return callback(what, response, state)
  if (route === 'id_token') return routeName(path) === 'token' && response.status === 200 ? idToken(what, response, state) : response
  if (route !== routeName(path)) return response
  if (fault in ONE_ROUTE) return response.status === 200 ? ONE_ROUTE[fault](response) : response
  return ANY_ROUTE[what](response, state)
}
