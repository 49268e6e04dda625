// The OpenID Connect provider: oidc-provider, which is certified, with all state in memory.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const require = createRequire(new URL('../../.test-tools/node/package.json', import.meta.url))
const installed = name => import(pathToFileURL(require.resolve(name)))

// Hides the provider's warnings about settings for production.
console.info = console.warn = () => {}

export const { default: Provider } = await installed('oidc-provider')
export const jose = await installed('jose')

// A valid secret with characters that are special in a URL, a form or a header.
export const SECRET = 'pass+word: 7% & more/"='

// Client id, client authentication method and ID token algorithm.
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

// `callbacks`: URLs of a loopback host, each valid for any port (RFC 8252 §7.3), because the port of the tested server
// is not known yet. `userClaims(login)`: the claims of a user.
export function makeProvider(url, keys, callbacks, userClaims) {
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
    cookies: { keys: ['not a real secret'] },
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username'],
    },
    features: { devInteractions: { enabled: true } },
    pkce: { required: () => true },
    // As Google does for the non-standard parameter `access_type=offline`.
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    findAccount: (_ctx, login) => ({ accountId: login, claims: async () => userClaims(login) }),
    ttl: { AccessToken: 3600, AuthorizationCode: 60, IdToken: 3600, RefreshToken: 86_400, Interaction: 600, Session: 600, Grant: 86_400 },
  })
}
