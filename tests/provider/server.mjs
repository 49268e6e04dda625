// A real OpenID Connect provider for the tests (oidc-provider, which requires PKCE), stand-ins for GitHub and Facebook,
// and a reverse proxy in front of all of them that injects faults (faults.mjs).
//
//     node server.mjs [--host NAME] CALLBACK...       e.g. http://127.0.0.1/google/callback/, valid for any port
//
// Prints {"url": "...", "secret": "..."} once it listens, and exits when its standard input ends. issuer.mjs lists its
// clients. A user can sign in with any name. Additional routes for the tests:
//
//     PUT /-/fault           selects a fault (body `ROUTE:FAULT`) or none (empty body)
//     PUT /-/users/LOGIN     replaces claims of that user; the body is JSON
//     GET /-/stats           {"requests": {ROUTE: count}, "issued": [all codes and tokens], "followedRedirects": count}

import { createServer, request as send } from 'node:http'
import { once } from 'node:events'
import { parseArgs } from 'node:util'

import { injectFault, isFault, routeName } from './faults.mjs'
import { makeKeys, makeProvider, SECRET } from './issuer.mjs'
import { Facebook, Github } from './oauth2.mjs'

const { values: options, positionals: callbacks } = parseArgs({
  allowPositionals: true,
  options: { host: { type: 'string', default: '127.0.0.1' } },
})
const SECRETS = ['access_token', 'refresh_token', 'id_token']

const changedClaims = new Map()

// The claims of a user.
function userClaims(login) {
  const id = 1000 + [...login].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1_000_000, 7)
  const defaults = { sub: login, id, email: `${login}@example.com`, email_verified: true, preferred_username: login }
  return { ...defaults, name: 'Anna Muster', given_name: 'Anna', family_name: 'Muster', ...changedClaims.get(login) }
}

const state = { url: '', secret: SECRET, fault: '', keys: await makeKeys(), attackerJwks: {}, userClaims }
const stats = { requests: {}, issued: [], followedRedirects: 0 }

async function read(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

// Handles the additional routes.
function control({ method, path }, body) {
  const json = value => ({ status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) })
  if (path === '/-/stats') return json(stats)
  if (path === '/-/attacker-jwks') return json(state.attackerJwks)
  if (path === '/-/elsewhere') return (stats.followedRedirects += 1), json({ access_token: 'elsewhere' })
  if (method === 'PUT' && path.startsWith('/-/users/')) return changedClaims.set(path.split('/')[3], JSON.parse(body)), json({})
  if (method === 'PUT' && path === '/-/fault' && (!body.length || isFault(String(body)))) return (state.fault = String(body)), json({})
  return { status: 400, headers: {}, body: `unknown route or fault: ${path} ${body}\n` }
}

// Forwards a request to oidc-provider.
function forward(port, { method, url, headers }, body) {
  return new Promise((done, failed) => {
    const inner = send({ port, host: '127.0.0.1', method, path: url, headers }, async reply => {
      const text = String(await read(reply))
      const { 'transfer-encoding': _, 'content-length': __, ...rest } = reply.headers
      // The pages import a font from a public host.
      done({ status: reply.statusCode, headers: rest, body: text.replace(/@import url\([^)]*\);/, '') })
    })
    inner.once('error', failed).end(body)
  })
}

// Counts a request, and records the code or tokens of its response.
function record(path, reply) {
  const route = routeName(path)
  if (route) stats.requests[route] = (stats.requests[route] ?? 0) + 1
  const code = /[?&]code=([^&]+)/.exec(reply.headers.location ?? '')
  if (code) stats.issued.push(decodeURIComponent(code[1]))
  if (route !== 'token') return
  try {
    const body = JSON.parse(reply.body)
    stats.issued.push(...SECRETS.map(name => body[name]).filter(Boolean))
  } catch {
    // A form or an invalid body contains no tokens.
  }
}

const standIns = { github: new Github(userClaims), facebook: new Facebook(userClaims) }

async function respond(request, body, inner) {
  const { pathname: path, searchParams } = new URL(request.url, state.url)
  if (path.startsWith('/-/')) return control({ method: request.method, path }, body)
  const standIn = standIns[path.split('/')[1]]
  let reply
  if (standIn) {
    const [query, form] = [searchParams, new URLSearchParams(String(body))].map(all => Object.fromEntries(all))
    const { method, url, headers } = request
    const { type, ...rest } = standIn.respond({ method, url, headers, path, query, form })
    reply = { ...rest, headers: { ...rest.headers, ...(type && { 'content-type': type }) } }
  } else {
    reply = await forward(inner, request, body)
  }
  const changed = state.fault ? await injectFault(state.fault, path, reply, state) : reply
  record(path, changed.body === undefined ? reply : changed)
  return changed
}

const proxy = createServer(async (request, response) => {
  try {
    const reply = await respond(request, await read(request), inner.address().port)
    if (reply === 'silent') return
    if (reply === 'close') return request.socket.destroy()
    if (reply === 'half') {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 })
      return response.write('{"access_token"', () => request.socket.destroy())
    }
    response.writeHead(reply.status, reply.headers)
    response.end(reply.body)
  } catch (error) {
    console.error(error)
    response.writeHead(599).end(String(error))
  }
})
proxy.listen(0, '127.0.0.1')
await once(proxy, 'listening')
state.url = `http://${options.host}:${proxy.address().port}`
const inner = createServer(makeProvider(state.url, state.keys, callbacks, userClaims).callback())
inner.listen(0, '127.0.0.1')
await once(inner, 'listening')
console.log(JSON.stringify({ url: state.url, secret: SECRET }))
process.stdin.resume().once('end', () => process.exit())
