// A resource server's verifier, by jose: knows the issuer's URL and nothing else.
//
//     node verify.mjs ISSUER [--audience AUD] [--lifespan SECONDS] [--leeway SECONDS] [--strict]
//
// Reads one token a line from standard input and answers each with one line of JSON: {"ok": true, "claims": {...}} or
// {"ok": false, "error": "..."}. The key set is found by ISSUER/.well-known/openid-configuration and kept between lines for
// --lifespan (300 s); an unknown `kid` makes it ask again, unless --strict: then only the lifespan's end does.

import { webcrypto } from 'node:crypto'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

globalThis.crypto ??= webcrypto // Node 18 has it, but not as a global

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

// The key set; the discovery is repeated until it has succeeded once.
async function keySet() {
  if (!keys) {
    const answer = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
    const found = await answer.json()
    if (found.issuer !== issuer) throw new Error(`discovery names the issuer ${found.issuer}, not ${issuer}`)
    const lifespan = Number(options.lifespan) * 1000
    keys = createRemoteJWKSet(new URL(found.jwks_uri), {
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
  let answer
  try {
    answer = { ok: true, claims: await verify(line.trim()) }
  } catch (error) {
    answer = { ok: false, error: `${error.code ?? error.name}: ${error.message}` }
  }
  console.log(JSON.stringify(answer))
}
