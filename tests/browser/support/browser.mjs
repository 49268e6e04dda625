// A headless Chromium, and visits to pages that are judged: no error, no violation of the policy, nothing asked of
// another host, no serious finding of axe, nothing beyond the edge of the screen.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { chromium, installed } from './found.mjs'

// Without these it looks for hosts of its maker's at every start.
const FLAGS = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const SERIOUS = ['serious', 'critical']

// What a page must be good for: a telephone and a desk, by day and by night.
export const SCREENS = [360, 1280].flatMap(width => ['light', 'dark'].map(scheme => ({ width, scheme })))

let pictures

// Where screenshots go: $PICTURES, or a folder of this run's.
export function pictureFolder() {
  pictures ??= process.env.PICTURES ?? mkdtempSync(join(tmpdir(), 'countersign-pictures-'))
  mkdirSync(pictures, { recursive: true })
  return pictures
}

let running

async function launch() {
  const { chromium: playwright } = (await installed('playwright-core')).default
  // Chromium's sandbox does not start for root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox', ...FLAGS] : FLAGS
  return playwright.launch({ executablePath: chromium(), headless: true, args })
}

// The one browser, which the first caller starts.
function browser() {
  running ??= launch()
  return running
}

// Ends the browser, if it was started.
export async function close() {
  await (await running)?.close()
  running = undefined
}

// A browser of somebody's own, with nothing kept from others; `visit.page` is Playwright's page.
export class Visit {
  // `hosts`: the URLs of the servers that may be asked; `script: false` for a browser that runs none.
  static async begin(hosts, { width = 1280, scheme = 'light', script = true } = {}) {
    const settings = { viewport: { width, height: 800 }, colorScheme: scheme, javaScriptEnabled: script, serviceWorkers: 'block' }
    const context = await (await browser()).newContext(settings)
    return new Visit(context, await context.newPage(), hosts, `${width}-${scheme}`, script).watch()
  }

  constructor(context, page, hosts, kind, script) {
    Object.assign(this, { context, page, kind, script, faults: [] })
    this.hosts = new Set(hosts.map(url => new URL(url).host))
  }

  async watch() {
    const { page, faults } = this
    page.setDefaultTimeout(20_000)
    page.on('pageerror', error => faults.push(`an error in the page: ${error.message}`))
    // That a page came with a status of its own is no fault; what else can't be loaded is told by `requestfinished`.
    const told = message => message.type() === 'error' && !message.text().startsWith('Failed to load resource: the server responded')
    page.on('console', message => told(message) && faults.push(`on the console: ${message.text()}`))
    page.on('request', request => {
      const url = new URL(request.url())
      if (url.protocol !== 'data:' && !this.hosts.has(url.host)) faults.push(`asks ${url.origin}`)
    })
    page.on('requestfinished', async request => {
      const status = (await request.response())?.status()
      if (status >= 400 && !request.isNavigationRequest()) faults.push(`${status} from ${request.url()}`)
    })
    await this.context.exposeBinding('countersignViolation', (_, what) => faults.push(`against the policy: ${what}`))
    await this.context.addInitScript(() => {
      addEventListener('securitypolicyviolation', e => window.countersignViolation(`${e.violatedDirective} ${e.blockedURI}`))
    })
    return this
  }

  // Opens a URL; the answer to it.
  async open(url) {
    return this.page.goto(url, { waitUntil: 'load' })
  }

  // That nothing has gone wrong so far.
  clean(what = this.page.url()) {
    assert.deepEqual(this.faults, [], `${what} at ${this.kind}`)
  }

  // What axe, which is a script itself, finds serious or critical.
  async findings() {
    const { source } = (await installed('axe-core')).default
    // Not by a script in the page, which its policy would rightly refuse.
    await this.page.evaluate(source)
    const found = await this.page.evaluate(() => window.axe.run(document, { preload: false }))
    const serious = found.violations.filter(one => SERIOUS.includes(one.impact))
    return serious.map(one => `${one.id}: ${one.help}: ${one.nodes.map(node => node.html).join(' | ')}`)
  }

  // How many pixels stick out at the right.
  async overhang() {
    return this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  }

  async picture(name) {
    await this.page.screenshot({ path: join(pictureFolder(), `${name}-${this.kind}.png`), fullPage: true })
  }

  // All of the above, for the page that is shown now.
  async sound(name) {
    await this.picture(name)
    this.clean(name)
    assert.equal(await this.overhang(), 0, `${name} at ${this.kind} fits the screen`)
    if (this.script) assert.deepEqual(await this.findings(), [], `${name} at ${this.kind}, judged by axe`)
  }

  async end() {
    await this.context.close()
  }
}
