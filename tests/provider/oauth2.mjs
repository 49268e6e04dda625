// Stand-ins for GitHub and Facebook, which support OAuth 2.0 but not OpenID Connect: their documented routes and
// response shapes, and a sign-in page.

import { createHash, createHmac, randomBytes } from 'node:crypto'

import { CLIENTS, SECRET } from './issuer.mjs'

const escape = text => String(text).replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`)
const token = prefix => prefix + randomBytes(20).toString('hex')

// Issued codes and tokens, with the user of each.
class Grants {
  codes = new Map()
  access = new Map()
  refresh = new Map()

  // The user of a code or refresh token. A code is valid once and only with its PKCE verifier (RFC 7636).
  redeem({ grant_type, code, refresh_token, code_verifier, redirect_uri }) {
    if (grant_type === 'refresh_token') return this.refresh.get(refresh_token)
    const found = this.codes.get(code)
    this.codes.delete(code)
    const challenge = createHash('sha256').update(code_verifier ?? '').digest('base64url')
    if (found?.challenge === challenge && found.redirect_uri === redirect_uri) return found.login
  }

  issue(login, prefix) {
    const access_token = token(`${prefix}u_`)
    const refresh_token = token(`${prefix}r_`)
    this.access.set(access_token, login)
    this.refresh.set(refresh_token, login)
    return { access_token, refresh_token }
  }
}

const json = (status, body) => ({ status, type: 'application/json; charset=utf-8', body: JSON.stringify(body) })

// The sign-in page, and the redirect after its form.
function authorize(grants, request) {
  const { client_id, redirect_uri, state, code_challenge, code_challenge_method, response_type } = request.query
  if (!(client_id in CLIENTS) || !redirect_uri) return { status: 404, type: 'text/plain', body: 'no such client' }
  if (request.method === 'GET') {
    const form = `<form method="post" action="${escape(request.url)}"><input name="login" placeholder="Enter any login">
      <button type="submit">Sign-in</button></form>`
    return { status: 200, type: 'text/html', body: `<!doctype html><title>Sign-in</title>${form}` }
  }
  const back = new URL(redirect_uri)
  if (state) back.searchParams.set('state', state)
  if (code_challenge_method !== 'S256' || (response_type ?? 'code') !== 'code') {
    back.searchParams.set('error', 'invalid_request')
  } else {
    const code = token('')
    grants.codes.set(code, { login: request.form.login, challenge: code_challenge, redirect_uri })
    back.searchParams.set('code', code)
  }
  return { status: 302, headers: { location: back.href }, body: '' }
}

// The client's id and secret, from the form or (GitHub) the header.
function client({ form, query, headers }) {
  const [kind, value] = (headers.authorization ?? '').split(' ')
  if (kind === 'Basic') {
    const [id, secret] = Buffer.from(value, 'base64').toString().split(/:(.*)/s)
    const decode = text => decodeURIComponent(text.replace(/\+/g, ' '))
    return { id: decode(id), secret: decode(secret) }
  }
  return { id: form.client_id ?? query.client_id, secret: form.client_secret ?? query.client_secret }
}

const bearer = ({ headers }) => /^(?:Bearer|token) (.+)$/i.exec(headers.authorization ?? '')?.[1]

// https://docs.github.com/apps: errors of the token route have status 200.
export class Github {
  grants = new Grants()

  constructor(userClaims) {
    this.userClaims = userClaims
  }

  respond(request) {
    const { path, headers } = request
    if (path === '/github/login/oauth/authorize') return authorize(this.grants, request)
    if (path === '/github/login/oauth/access_token') return this.token(request)
    if (!headers['user-agent']) return { status: 403, type: 'text/html', body: 'Request forbidden by administrative rules.' }
    const login = this.grants.access.get(bearer(request))
    if (!login) return json(401, { message: 'Bad credentials', documentation_url: 'https://docs.github.com/rest', status: '401' })
    const { id, name, email, email_verified } = this.userClaims(login)
    if (path === '/github/user') {
      return json(200, { login, id, node_id: 'MDQ6VXNlcjE=', type: 'User', site_admin: false, name, email: null, two_factor_authentication: true })
    }
    if (path === '/github/user/emails') {
      const other = { email: `${id}+${login}@users.noreply.example.org`, verified: true, primary: false, visibility: null }
      return json(200, [other, ...(email ? [{ email, verified: email_verified, primary: true, visibility: 'private' }] : [])])
    }
    return json(404, { message: 'Not Found', documentation_url: 'https://docs.github.com/rest', status: '404' })
  }

  token(request) {
    const { form, headers } = request
    const { id, secret } = client(request)
    const failure = (error, error_description) => ({ error, error_description, error_uri: 'https://docs.github.com/apps' })
    let body
    if (!(id in CLIENTS) || secret !== SECRET) body = failure('incorrect_client_credentials', 'The client_id and/or client_secret passed are incorrect.')
    else {
      const login = this.grants.redeem(form)
      const grant = form.grant_type === 'refresh_token' ? 'bad_refresh_token' : 'bad_verification_code'
      const times = { expires_in: 28_800, refresh_token_expires_in: 15_897_600, token_type: 'bearer', scope: 'read:user,user:email' }
      body = login ? { ...this.grants.issue(login, 'gh'), ...times } : failure(grant, 'The code passed is incorrect or expired.')
    }
    if (headers.accept?.includes('json')) return json(200, body)
    return { status: 200, type: 'application/x-www-form-urlencoded; charset=utf-8', body: new URLSearchParams(body).toString() }
  }
}

// https://developers.facebook.com/docs/graph-api: no refresh tokens, errors in an object, calls with an HMAC of the
// secret.
export class Facebook {
  grants = new Grants()

  constructor(userClaims) {
    this.userClaims = userClaims
  }

  respond(request) {
    const { path, query, form } = request
    if (path === '/facebook/dialog/oauth') return authorize(this.grants, request)
    if (path === '/facebook/oauth/access_token') {
      const { id, secret } = client(request)
      const login = id in CLIENTS && secret === SECRET && this.grants.redeem({ ...query, ...form, grant_type: 'authorization_code' })
      if (!login) return this.error('OAuthException', 100, 'This authorization code has been used.')
      const { access_token } = this.grants.issue(login, 'EAA')
      return json(200, { access_token, token_type: 'bearer', expires_in: 5_183_944 })
    }
    if (path !== '/facebook/me') return this.error('GraphMethodException', 100, 'Unsupported get request.')
    const access = query.access_token ?? bearer(request)
    const login = this.grants.access.get(access)
    if (!login) return this.error('OAuthException', 190, 'Invalid OAuth access token - Cannot parse access token', 401)
    if (query.appsecret_proof !== createHmac('sha256', SECRET).update(access).digest('hex')) {
      return this.error('GraphMethodException', 100, 'Invalid appsecret_proof provided in the API argument')
    }
    const { id, name, email, given_name, family_name } = this.userClaims(login)
    const user = { id: String(id), name, first_name: given_name, last_name: family_name, ...(email && { email }) }
    const fields = ['id', ...(query.fields ?? 'id,name').split(',')]
    return json(200, Object.fromEntries(Object.entries(user).filter(([field]) => fields.includes(field))))
  }

  error(type, code, message, status = 400) {
    return json(status, { error: { message, type, code, fbtrace_id: 'A1b2C3' } })
  }
}
