import { createRemoteJWKSet, jwtVerify } from 'jose'
const [issuer, token] = process.argv.slice(2)
// Create the client once: it caches the JWKS and refetches it for new keys.
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`))
const { payload } = await jwtVerify(token, keys, { algorithms: ['ES256', 'RS256'], issuer, audience: issuer })
if (payload.token_type !== 'access') throw new Error('not an access token')
console.log(payload.username)
