// A resource server in Node: Express and jose, offline but for the key set.
//
//     npm install && ISSUER=http://127.0.0.1:8080 PORT=9000 npm start

import express from 'express'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

const { ISSUER: issuer = 'http://127.0.0.1:8080', PORT: port = '9000' } = process.env

let keys

// The key set. It is kept for 300 s; an unknown `kid` makes jose ask again, once in 30 s at most.
async function keySet() {
  if (keys) return keys
  // Only success is remembered: with the issuer away at the start, the next request tries again.
  const answer = await fetch(`${issuer}/.well-known/openid-configuration`, { signal: AbortSignal.timeout(5_000) })
  const found = await answer.json()
  // OpenID Connect Discovery §4.3: a document about another issuer is not ours to trust.
  if (found.issuer !== issuer) throw new Error("ISSUER must be the issuer's public URL, to the letter")
  keys = createRemoteJWKSet(new URL(found.jwks_uri), { cacheMaxAge: 300_000, cooldownDuration: 30_000 })
  return keys
}

// What is the key set's fault and worth another try, not the token's.
const keySetFaults = ['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID']

async function requireToken(request, response, next) {
  const refuse = () => response.status(401).set('WWW-Authenticate', 'Bearer error="invalid_token"').end()
  const [, token] = /^Bearer (\S+)$/i.exec(request.get('Authorization') ?? '') ?? []
  if (!token) return refuse()
  try {
    const { payload } = await jwtVerify(token, await keySet(), {
      algorithms: ['ES256', 'RS256'], // ours, never the token's choice
      issuer,
      audience: issuer,
      clockTolerance: 5,
      requiredClaims: ['exp', 'iss', 'aud', 'sub'],
    })
    // Refresh tokens may be signed by the same keys; they are not for us.
    if (payload.token_type !== 'access') return refuse()
    request.token = payload
  } catch (error) {
    if (error instanceof errors.JOSEError && !keySetFaults.includes(error.code)) return refuse()
    console.error(`asking for the key set: ${error.message}`)
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
