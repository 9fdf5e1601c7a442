// What a person sees first: the commands of the command line, each a process of its own, and the page in a browser.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../scripts/lib/run.mjs'

const COMMANDS = { 'delgate ls': ['ls'], 'delgate df': ['df'], 'delgate tags': ['tags', 'bench/r0000'] }
const BROWSERS = [process.env.TEST_DELGATE_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
/** How long a view may take, milliseconds. */
const PATIENCE = 120_000

/** How long each command takes, from its start until all is printed, seconds. */
export async function commandSeconds (url) {
  const seconds = {}
  for (const [name, args] of Object.entries(COMMANDS)) {
    const start = performance.now()
    await promisify(execFile)(process.execPath, [join(root, 'dist', 'main.js'), ...args, '--url', url], { timeout: PATIENCE, maxBuffer: 1 << 28 })
    seconds[name] = (performance.now() - start) / 1000
  }
  return seconds
}

/** How long the page takes until it shows repositories, from going there, seconds; `undefined` where there is no browser. */
export async function pageSeconds (url) {
  const executablePath = BROWSERS.find((path) => path !== undefined && existsSync(path))
  if (executablePath === undefined) return undefined
  const { chromium } = await import('playwright-core')
  const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] })
  try {
    const page = await browser.newPage()
    await page.goto(new URL('/delgate/', url).href, { timeout: PATIENCE })
    await page.getByRole('rowheader').first().waitFor({ timeout: PATIENCE })
    return await page.evaluate(() => performance.now()) / 1000
  } finally {
    await browser.close()
  }
}
