// What a person sees first: the commands of the command line, each a process of its own, and the page in a browser.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../scripts/lib/run.mjs'

const COMMANDS = { 'delgate ls': ['ls'], 'delgate df': ['df'], 'delgate tags': ['tags', 'bench/r0000'] }
const BROWSERS = [process.env.TEST_DELGATE_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
/** How long a view may take, milliseconds. */
const PATIENCE = 120_000

/** How long each command takes, from its start until something is printed, and until all is, seconds. */
export async function commandSeconds (url) {
  const seconds = {}
  for (const [name, args] of Object.entries(COMMANDS)) {
    const start = performance.now()
    const passed = () => (performance.now() - start) / 1000
    const child = spawn(process.execPath, [join(root, 'dist', 'main.js'), ...args, '--url', url], { timeout: PATIENCE, stdio: ['ignore', 'pipe', 'inherit'] })
    child.stdout.once('data', () => { seconds[`${name}, first rows`] = passed() }).resume()
    const [code] = await once(child, 'close')
    if (code !== 0) throw new Error(`${name}: exit ${code}`)
    seconds[`${name}, all of it`] = passed()
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
