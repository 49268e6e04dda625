// A resource server in Node: Express and jose. It verifies tokens offline and fetches only the JWKS.
//
//     npm install && ISSUER=http://127.0.0.1:8080 PORT=9000 npm start

import express from 'express'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

const { ISSUER: issuer = 'http://127.0.0.1:8080', PORT: port = '9000' } = process.env

let keys

// Returns the JWKS client. jose caches the JWKS for 300 s and refetches it for an unknown `kid`, at most once in 30 s.
async function keySet() {
  if (keys) return keys
  // The client is cached only on success: if the issuer is unavailable, the next request retries.
  const response = await fetch(`${issuer}/.well-known/openid-configuration`, { signal: AbortSignal.timeout(5_000) })
  const metadata = await response.json()
  // OpenID Connect Discovery §4.3: do not trust a document about another issuer.
  if (metadata.issuer !== issuer) throw new Error("ISSUER must be exactly the issuer's public URL")
  keys = createRemoteJWKSet(new URL(metadata.jwks_uri), { cacheMaxAge: 300_000, cooldownDuration: 30_000 })
  return keys
}

// Errors caused by the JWKS and not by the token. The caller may retry.
const jwksErrors = ['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID']

async function requireToken(request, response, next) {
  const reject = () => response.status(401).set('WWW-Authenticate', 'Bearer error="invalid_token"').end()
  const [, token] = /^Bearer (\S+)$/i.exec(request.get('Authorization') ?? '') ?? []
  if (!token) return reject()
  try {
    const { payload } = await jwtVerify(token, await keySet(), {
      // This server chooses the accepted algorithms; the token's header does not.
      algorithms: ['ES256', 'RS256'],
      issuer,
      audience: issuer,
      clockTolerance: 5,
      requiredClaims: ['exp', 'iss', 'aud', 'sub'],
    })
    // Reject refresh tokens, which may be signed by the same keys.
    if (payload.token_type !== 'access') return reject()
    request.token = payload
  } catch (error) {
    if (error instanceof errors.JOSEError && !jwksErrors.includes(error.code)) return reject()
    console.error(`cannot fetch the JWKS: ${error.message}`)
    return response.status(503).end()
  }
  next()
}

const app = express()

app.get('/me', requireToken, (request, response) => {
  const { sub, username, sid } = request.token
  response.json({ sub, username, sid })
})

app.listen(Number(port), '127.0.0.1')
