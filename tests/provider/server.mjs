// A real OpenID Connect provider for the tests (oidc-provider, which asks for PKCE), with stand-ins for GitHub and
// Facebook beside it and, in front of all, a door at which it can be made to lie (faults.mjs).
//
//     node server.mjs [--host NAME] CALLBACK...       e.g. http://127.0.0.1/google/callback/, good for any port
//
// Prints {"url": "...", "secret": "..."} once it listens; ends when its standard input does. Its clients are named in
// issuer.mjs, and anybody can sign in by any name. Besides what a provider has, it answers
//
//     PUT /-/fault            one fault from now on, or none: the body is `PLACE:WHAT` or empty
//     PUT /-/people/LOGIN     claims of that person, as JSON, in place of the usual ones
//     GET /-/seen             {"asked": {PLACE: times}, "given": [every code and token it has given out], "followed": n}

import { createServer, request as send } from 'node:http'
import { once } from 'node:events'
import { parseArgs } from 'node:util'

import { distort, known, place } from './faults.mjs'
import { makeKeys, makeProvider, SECRET } from './issuer.mjs'
import { Facebook, Github } from './known.mjs'

const { values: options, positionals: callbacks } = parseArgs({
  allowPositionals: true,
  options: { host: { type: 'string', default: '127.0.0.1' } },
})
const SECRETS = ['access_token', 'refresh_token', 'id_token']

const people = new Map()

function person(login) {
  const id = 1000 + [...login].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1_000_000, 7)
  const usual = { sub: login, id, email: `${login}@example.com`, email_verified: true, preferred_username: login }
  return { ...usual, name: 'Anna Muster', given_name: 'Anna', family_name: 'Muster', ...people.get(login) }
}

const state = { url: '', secret: SECRET, fault: '', keys: await makeKeys(), strange: {}, person }
const seen = { asked: {}, given: [], followed: 0 }

async function read(stream) {
  const pieces = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

// What the tests ask of it.
function control({ method, path }, body) {
  const json = value => ({ status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) })
  if (path === '/-/seen') return json(seen)
  if (path === '/-/strange') return json(state.strange)
  if (path === '/-/elsewhere') return (seen.followed += 1), json({ access_token: 'elsewhere' })
  if (method === 'PUT' && path.startsWith('/-/people/')) return people.set(path.split('/')[3], JSON.parse(body)), json({})
  if (method === 'PUT' && path === '/-/fault' && (!body.length || known(String(body)))) return (state.fault = String(body)), json({})
  return { status: 400, headers: {}, body: `no such thing: ${path} ${body}\n` }
}

// What oidc-provider answers, behind the door.
function ask(port, { method, url, headers }, body) {
  return new Promise((done, failed) => {
    const inner = send({ port, host: '127.0.0.1', method, path: url, headers }, async answer => {
      const text = String(await read(answer))
      const { 'transfer-encoding': _, 'content-length': __, ...rest } = answer.headers
      // Its pages would fetch a font from the other side of the world.
      done({ status: answer.statusCode, headers: rest, body: text.replace(/@import url\([^)]*\);/, '') })
    })
    inner.once('error', failed).end(body)
  })
}

function remember(path, answer) {
  const where = place(path)
  if (where) seen.asked[where] = (seen.asked[where] ?? 0) + 1
  const code = /[?&]code=([^&]+)/.exec(answer.headers.location ?? '')
  if (code) seen.given.push(decodeURIComponent(code[1]))
  if (where !== 'token') return
  try {
    const body = JSON.parse(answer.body)
    seen.given.push(...SECRETS.map(name => body[name]).filter(Boolean))
  } catch {
    // A form, or nonsense: nobody is given anything by it.
  }
}

const standIns = { github: new Github(person), facebook: new Facebook(person) }

async function answerTo(request, body, inner) {
  const { pathname: path, searchParams } = new URL(request.url, state.url)
  if (path.startsWith('/-/')) return control({ method: request.method, path }, body)
  const standIn = standIns[path.split('/')[1]]
  let answer
  if (standIn) {
    const [query, form] = [searchParams, new URLSearchParams(String(body))].map(all => Object.fromEntries(all))
    const { method, url, headers } = request
    const { type, ...rest } = standIn.answer({ method, url, headers, path, query, form })
    answer = { ...rest, headers: { ...rest.headers, ...(type && { 'content-type': type }) } }
  } else {
    answer = await ask(inner, request, body)
  }
  const distorted = state.fault ? await distort(state.fault, path, answer, state) : answer
  remember(path, distorted.body === undefined ? answer : distorted)
  return distorted
}

const door = createServer(async (request, response) => {
  try {
    const answer = await answerTo(request, await read(request), inner.address().port)
    if (answer === 'silent') return
    if (answer === 'close') return request.socket.destroy()
    if (answer === 'half') {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 })
      return response.write('{"access_token"', () => request.socket.destroy())
    }
    response.writeHead(answer.status, answer.headers)
    response.end(answer.body)
  } catch (error) {
    console.error(error)
    response.writeHead(599).end(String(error))
  }
})
door.listen(0, '127.0.0.1')
await once(door, 'listening')
state.url = `http://${options.host}:${door.address().port}`
const inner = createServer(makeProvider(state.url, state.keys, callbacks, person).callback())
inner.listen(0, '127.0.0.1')
await once(inner, 'listening')
console.log(JSON.stringify({ url: state.url, secret: SECRET }))
process.stdin.resume().once('end', () => process.exit())
