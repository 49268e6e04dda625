// A headless Chromium, and browser sessions with checks for each page: it has no error, no policy violation, no request
// to another host, no serious axe violation and no horizontal overflow.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { chromiumPath, importTool } from './environment.mjs'

// Without these flags Chromium contacts its vendor's hosts at every start.
const FLAGS = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const SERIOUS = ['serious', 'critical']

// The supported screens: phone and desktop width, light and dark colour scheme.
export const SCREENS = [360, 1280].flatMap(width => ['light', 'dark'].map(scheme => ({ width, scheme })))

let screenshots

// The folder for screenshots: $SCREENSHOTS, or a new temporary folder.
export function screenshotFolder() {
  screenshots ??= process.env.SCREENSHOTS ?? mkdtempSync(join(tmpdir(), 'countersign-screenshots-'))
  mkdirSync(screenshots, { recursive: true })
  return screenshots
}

let browserPromise

async function launch() {
  const { chromium: playwright } = (await importTool('playwright-core')).default
  // Chromium's sandbox does not start for root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox', ...FLAGS] : FLAGS
  return playwright.launch({ executablePath: chromiumPath(), headless: true, args })
}

// The shared browser. The first call starts it.
function browser() {
  browserPromise ??= launch()
  return browserPromise
}

// Closes the browser if it was started.
export async function close() {
  await (await browserPromise?.catch(() => undefined))?.close()
  browserPromise = undefined
}

// A browser context without shared state. `session.page` is Playwright's page.
export class BrowserSession {
  // `hosts`: URLs of the servers to which requests are allowed. `script: false` disables JavaScript.
  static async start(hosts, { width = 1280, scheme = 'light', script = true } = {}) {
    const settings = { viewport: { width, height: 800 }, colorScheme: scheme, javaScriptEnabled: script, serviceWorkers: 'block' }
    const context = await (await browser()).newContext(settings)
    return new BrowserSession(context, await context.newPage(), hosts, `${width}-${scheme}`, script).watch()
  }

  constructor(context, page, hosts, kind, script) {
    Object.assign(this, { context, page, kind, script, faults: [] })
    this.hosts = new Set(hosts.map(url => new URL(url).host))
  }

  async watch() {
    const { page, faults } = this
    page.setDefaultTimeout(20_000)
    page.on('pageerror', error => faults.push(`error in the page: ${error.message}`))
    // A page with an error status is not a fault. `requestfinished` reports other resources that fail to load.
    const isFault = message => message.type() === 'error' && !message.text().startsWith('Failed to load resource: the server responded')
    page.on('console', message => isFault(message) && faults.push(`console error: ${message.text()}`))
    page.on('request', request => {
      const url = new URL(request.url())
      if (url.protocol !== 'data:' && !this.hosts.has(url.host)) faults.push(`request to ${url.origin}`)
    })
    page.on('requestfinished', async request => {
      const status = (await request.response())?.status()
      if (status >= 400 && !request.isNavigationRequest()) faults.push(`${status} from ${request.url()}`)
    })
    await this.context.exposeBinding('countersignViolation', (_, violation) => faults.push(`policy violation: ${violation}`))
    await this.context.addInitScript(() => {
      addEventListener('securitypolicyviolation', e => window.countersignViolation(`${e.violatedDirective} ${e.blockedURI}`))
    })
    return this
  }

  // Navigates to a URL and returns the response.
  async open(url) {
    return this.page.goto(url, { waitUntil: 'load' })
  }

  // Asserts that no fault has been recorded so far.
  assertNoFaults(name = this.page.url()) {
    assert.deepEqual(this.faults, [], `${name} at ${this.kind}`)
  }

  // The serious and critical violations that axe reports. Axe needs JavaScript.
  async axeViolations() {
    const { source } = (await importTool('axe-core')).default
    // Evaluated directly, because the page's policy would block a script element.
    await this.page.evaluate(source)
    const report = await this.page.evaluate(() => window.axe.run(document, { preload: false }))
    const serious = report.violations.filter(violation => SERIOUS.includes(violation.impact))
    return serious.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(node => node.html).join(' | ')}`)
  }

  // The number of pixels by which the page is wider than the screen.
  async horizontalOverflow() {
    return this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  }

  async screenshot(name) {
    await this.page.screenshot({ path: join(screenshotFolder(), `${name}-${this.kind}.png`), fullPage: true })
  }

  // Takes a screenshot of the current page and runs all checks: recorded faults, horizontal overflow and axe.
  async check(name) {
    await this.screenshot(name)
    this.assertNoFaults(name)
    assert.equal(await this.horizontalOverflow(), 0, `${name} at ${this.kind}: wider than the screen`)
    if (this.script) assert.deepEqual(await this.axeViolations(), [], `${name} at ${this.kind}: axe violations`)
  }

  async close() {
    await this.context.close()
  }
}
