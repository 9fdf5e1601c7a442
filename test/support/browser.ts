/**
 * A real Chromium for the tests of the page, driven by playwright-core. What the browser complains about, and what the
 * page's policy forbids, is written down: a test ends by insisting that there was nothing.
 */
import { accessSync, constants, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page, type Request } from 'playwright-core'
import axe from 'axe-core'
import type { Test } from 'tap'
import { skipWithout, tool, type RegistryTool, type ToolName } from './tools.js'

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
/** Where a person finds what the tests saw. */
const SCREENSHOTS = resolve('.cache/screenshots')
/** How long the browser may look for something, milliseconds. */
const PATIENCE = 60_000

function executable (): string | undefined {
  const given = process.env.TEST_DELGATE_CHROMIUM
  return [...(given === undefined || given === '' ? [] : [given]), ...CANDIDATES].find(path => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Why tests in a browser cannot run, or `false`. Throws in CI. */
export function skipWithoutBrowser (): string | false {
  if (executable() !== undefined) return false
  const message = 'chromium is missing: install the Debian package chromium, or set TEST_DELGATE_CHROMIUM'
  if (process.env.CI === 'true') throw new Error(`nothing may be skipped in CI: ${message}`)
  return message
}

export interface Visit extends Page {
  /** What the browser complained about: errors of scripts, and what the policy forbade. */
  readonly complaints: string[]
}

/** A browser that goes when the test ends. */
export async function startBrowser (t: Test): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: executable()!, args: isRoot() ? ['--no-sandbox'] : [] })
  t.teardown(() => browser.close())
  return browser
}

const isRoot = (): boolean => process.getuid?.() === 0

/** Opens a page of its own, which remembers nothing of others. */
export async function visit (browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ locale: 'en', viewport: { width: 1200, height: 800 }, ...options })
  const page = await context.newPage()
  const complaints: string[] = []
  page.setDefaultTimeout(PATIENCE)
  page.on('pageerror', error => complaints.push(`error: ${error.message}`))
  // That a request was refused is no complaint: the page says so in words.
  page.on('console', message => { if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) complaints.push(`console: ${message.text()}`) })
  page.on('requestfailed', request => {
    const reason = request.failure()?.errorText ?? 'unknown'
    // Given up by the page itself, or begun again by the test.
    if (!/ERR_ABORTED|ERR_NETWORK_CHANGED/.test(reason)) complaints.push(`request: ${request.method()} ${request.url()}: ${reason}`)
  })
  await page.exposeFunction('complain', (text: string) => { complaints.push(text) })
  await page.addInitScript("addEventListener('securitypolicyviolation', event => { complain('policy: ' + event.violatedDirective + ' ' + event.blockedURI) })")
  await undisturbed(page, async () => await page.goto(url))
  return Object.assign(page, { complaints })
}

/** Waits for something; when it does not come, says what is there instead. */
export async function sees (page: Visit, what: Locator): Promise<void> {
  await what.waitFor().catch(async (error: Error) => {
    throw new Error(`${error.message}; the page shows: ${(await page.locator('body').innerText()).slice(0, 1000)}; complaints: ${page.complaints.join(', ')}`)
  })
}

/** Loads it anew. */
export async function reload (page: Page): Promise<void> {
  await undisturbed(page, async () => await page.reload())
}

/** So often at most. */
const TRIES = 5

/** Chromium gives up what it loads when an interface of the machine comes or goes, as those of containers do. */
async function undisturbed (page: Page, load: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const failures: string[] = []
    const failed = (request: Request): void => { failures.push(`${request.url()}: ${request.failure()?.errorText}`) }
    page.on('requestfailed', failed)
    const error = await load().then(() => undefined, (error: Error) => error)
    page.off('requestfailed', failed)
    const isDisturbed = failures.length > 0 && failures.every(failure => failure.endsWith('net::ERR_NETWORK_CHANGED'))
    if (!isDisturbed || attempt === TRIES) {
      if (error !== undefined) throw error
      if (failures.length > 0) throw new Error(`the page could not be loaded: ${failures.join(', ')}`)
      return
    }
  }
}

/** Shows a person what the page looks like, in `.cache/screenshots`: all of it, or what fits where a dialog covers it. */
export async function show (page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true })
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: await page.locator('dialog').count() === 0 })
}

/** What keeps people with a disability from using what is shown: contrast, labels, structure (axe-core, WCAG 2.2 AA). */
export async function barriers (page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate("axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })") as axe.AxeResults
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

/** How much wider than the window the page is, pixels. */
export async function overflow (page: Page): Promise<number> {
  return await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth') as number
}

export interface InBrowser {
  /** Release lines of the registry. Default: one, where the page could not tell. */
  readonly versions?: ReadonlyArray<RegistryTool['version']>
  readonly needs?: readonly ToolName[]
}

/** Runs a test in a browser of its own. */
export async function inBrowser (t: Test, title: string, run: (t: Test, browser: Browser, registry: RegistryTool) => Promise<void>, { versions = ['3.1'], needs = [] }: InBrowser = {}): Promise<void> {
  for (const version of versions) {
    const name = `registry ${version}` as const
    const skip = skipWithoutBrowser() || skipWithout(name, ...needs)
    await t.test(`${title} [${name}]`, { skip }, async t => { await run(t, await startBrowser(t), { ...tool(name), version }) })
  }
}
