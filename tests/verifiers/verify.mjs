// Verifies tokens as a resource server does, with jose. It knows only the issuer's URL.
//
//     node verify.mjs ISSUER [--audience AUD] [--lifespan SECONDS] [--leeway SECONDS] [--strict]
//
// Reads one token per line from standard input and prints one line of JSON for each: {"ok": true, "claims": {...}} or
// {"ok": false, "error": "..."}. The verifier discovers the JWKS at ISSUER/.well-known/openid-configuration and caches it
// for --lifespan (300 s). An unknown `kid` makes it fetch the JWKS again. With --strict it fetches the JWKS
// again only after the lifespan.

import { webcrypto } from 'node:crypto'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

globalThis.crypto ??= webcrypto // Node 18 has no global crypto

const installed = createRequire(new URL('../../.test-tools/node/package.json', import.meta.url))
const { createRemoteJWKSet, jwtVerify } = await import(pathToFileURL(installed.resolve('jose')))

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    audience: { type: 'string' },
    lifespan: { type: 'string', default: '300' },
    leeway: { type: 'string', default: '0' },
    strict: { type: 'boolean', default: false },
  },
})
const [issuer] = positionals
if (positionals.length !== 1) {
  console.error('usage: node verify.mjs ISSUER [--audience AUD] [--lifespan SECONDS] [--leeway SECONDS] [--strict]')
  process.exit(2)
}

let keys

// Returns the JWKS. Discovery is repeated for every token until it succeeds.
async function keySet() {
  if (!keys) {
    const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
    const metadata = await response.json()
    if (metadata.issuer !== issuer) throw new Error(`discovery names the issuer ${metadata.issuer}, not ${issuer}`)
    const lifespan = Number(options.lifespan) * 1000
    keys = createRemoteJWKSet(new URL(metadata.jwks_uri), {
      cacheMaxAge: lifespan,
      cooldownDuration: options.strict ? lifespan : 0,
      timeoutDuration: 10_000,
    })
  }
  return keys
}

async function verify(token) {
  const { payload } = await jwtVerify(token, await keySet(), {
    algorithms: ['ES256', 'RS256'],
    issuer,
    audience: options.audience ?? issuer,
    clockTolerance: Number(options.leeway),
    requiredClaims: ['exp', 'iss', 'aud', 'sub'],
  })
  return payload
}

for await (const line of createInterface({ input: process.stdin })) {
  let result
  try {
    result = { ok: true, claims: await verify(line.trim()) }
  } catch (error) {
    result = { ok: false, error: `${error.code ?? error.name}: ${error.message}` }
  }
  console.log(JSON.stringify(result))
}
