// The provider itself: oidc-provider, which is certified, with everything in memory.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const require = createRequire(new URL('../../.test-tools/node/package.json', import.meta.url))
const installed = name => import(pathToFileURL(require.resolve(name)))

// Its advice on what to set is for providers that are no test's.
console.info = console.warn = () => {}

export const { default: Provider } = await installed('oidc-provider')
export const jose = await installed('jose')

// All that may stand in a secret and means something in a URL, a form or a header.
export const SECRET = 'pass+word: 7% & more/"='

// By name, how a client proves who it is and how its ID tokens are signed.
export const CLIENTS = {
  countersign: ['client_secret_basic', 'RS256'],
  'countersign-es256': ['client_secret_basic', 'ES256'],
  'countersign-post': ['client_secret_post', 'RS256'],
  'countersign-public': ['none', 'ES256'],
}

async function makeKey(alg, kid) {
  const { privateKey } = await jose.generateKeyPair(alg, { extractable: true })
  return { ...(await jose.exportJWK(privateKey)), kid, alg, use: 'sig' }
}

export const makeKeys = () => Promise.all([makeKey('RS256', 'rsa'), makeKey('ES256', 'ec')])

// `callbacks`: URLs of a loopback host, each good for any port of it (RFC 8252 §7.3), for the port of who is tested is
// not known yet. `person(login)`: that person's claims.
export function makeProvider(url, keys, callbacks, person) {
  const client = ([client_id, [method, alg]]) => ({
    client_id,
    ...(method !== 'none' && { client_secret: SECRET }),
    token_endpoint_auth_method: method,
    id_token_signed_response_alg: alg,
    application_type: 'native',
    redirect_uris: callbacks,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  })
  return new Provider(url, {
    clients: Object.entries(CLIENTS).map(client),
    jwks: { keys },
    cookies: { keys: ['of no worth'] },
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username'],
    },
    features: { devInteractions: { enabled: true } },
    pkce: { required: () => true },
    // As Google does for whoever asks for `access_type=offline`, a parameter no standard knows.
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    findAccount: (_ctx, login) => ({ accountId: login, claims: async () => person(login) }),
    ttl: { AccessToken: 3600, AuthorizationCode: 60, IdToken: 3600, RefreshToken: 86_400, Interaction: 600, Session: 600, Grant: 86_400 },
  })
}
