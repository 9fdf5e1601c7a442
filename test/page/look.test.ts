/** Each view in dark and light, on a desk and on a phone: nothing is wider than the window, unreadable or without a name. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { barriers, inBrowser, overflow, sees, show, visit, type Visit } from '../support/browser.js'
import { push } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { image, layer, multiArchitecture } from '../support/images.js'
import { deleted } from '../support/jobs.js'
import { writeRegistryConfig } from '../support/registry.js'
import { temporaryDirectory } from '../support/temporary.js'

const LONG = 'a/rather/long/name-of-a-repository/which-no-phone-has-room-for/in-one-line'

/** What is looked at: how to get there, and what is there then. */
const VIEWS: ReadonlyArray<readonly [name: string, go: (page: Visit) => Promise<void>]> = [
  ['repositories', async page => { await page.getByRole('link', { name: 'team/base' }).waitFor() }],
  ['nothing-found', async page => {
    await page.getByRole('searchbox').fill('nothing-like-this')
    await page.getByText('No repository matches.').waitFor()
  }],
  ['repository', async page => {
    await at(page, '#/repositories/team/app')
    await page.getByRole('button', { name: 'Delete tag 1.1' }).waitFor()
    await page.getByRole('link', { name: 'team/base' }).waitFor()
  }],
  ['confirm', async page => {
    await page.getByRole('button', { name: 'Delete repository…' }).click()
    await page.getByText('Also the repositories below it').waitFor()
    await page.getByText(/can be undone as long/).waitFor()
  }],
  ['long-name', async page => {
    await page.getByRole('button', { name: 'Keep it' }).click()
    await at(page, `#/repositories/${LONG}`)
    await page.getByRole('button', { name: 'Delete tag' }).first().waitFor()
  }],
  ['unknown', async page => {
    await at(page, '#/repositories/no/such')
    await page.getByRole('alert').getByText('It does not exist, or no longer.').waitFor()
  }],
  ['jobs', async page => {
    await at(page, '#/jobs')
    await page.getByRole('link', { name: 'Delete team/app:gone' }).waitFor()
  }],
  ['trash', async page => {
    await at(page, '#/trash')
    await page.getByRole('button', { name: 'Undo' }).waitFor()
  }],
  ['disk', async page => {
    await at(page, '#/disk')
    await page.getByText('shared by several').waitFor()
    await sees(page, page.getByRole('img', { name: /^Stored: / }))
    await page.getByText('The last numbers').click()
  }]
]

async function at (page: Visit, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`)
}

/** Two weeks of disk use, as Delgate has noted it hour by hour. */
async function writeHistory (state: string): Promise<void> {
  const hours = 14 * 24
  const samples = Array.from({ length: hours }, (_, hour) => {
    const at = new Date(Date.now() - (hours - hour) * 3_600_000).toISOString()
    const used = 400_000_000_000 + hour * 600_000_000 - (hour > 200 ? 90_000_000_000 : 0)
    return { at, measuredAt: at, used: { blobs: 1000, bytes: used }, single: { blobs: 500, bytes: used / 2 }, garbage: { blobs: 10, bytes: hour % 72 * 700_000_000 }, uploads: { count: 0, bytes: 0 }, trashBytes: hour > 200 ? 60_000_000_000 : 20_000_000_000 }
  })
  await mkdir(state, { recursive: true })
  await writeFile(join(state, 'usage.jsonl'), samples.map(sample => `${JSON.stringify(sample)}\n`).join(''))
}

await inBrowser(t, 'every view', async (t, browser, tool) => {
  const files = await writeRegistryConfig(await temporaryDirectory(t))
  await writeHistory(join(files.directory, 'state'))
  const gate = await startGate(t, tool, { files, settings: { trash: { keepFor: { tag: 24, manifest: 24, repository: 24, untagged: 0 } } } })
  const base = await layer('base', 300_000)
  for (const tag of ['1.0', '1.1', 'gone']) await push(gate.url, 'team/app', tag, await image(tag, { layers: [base, await layer(tag, 200_000)] }))
  await push(gate.url, 'team/base', 'latest', await image('base', { layers: [base] }))
  await push(gate.url, 'team/app/below', 'latest', await image('below'))
  await push(gate.url, LONG, `a-tag-as-long-as-some-pipelines-make-them-${'0'.repeat(40)}`, await multiArchitecture('long'))
  await deleted(gate.url, '/v2/team/app/manifests/gone')
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const [size, width] of [['desk', 1200], ['phone', 360]] as const) {
      const page = await visit(browser, `${gate.url}/delgate/`, { colorScheme, viewport: { width, height: 780 } })
      for (const [name, go] of VIEWS) {
        await go(page)
        const title = `${name} ${colorScheme} ${size}`
        t.equal(await overflow(page), 0, `${title}: no wider than the window`)
        t.same(await barriers(page), [], `${title}: no barriers`)
        await show(page, `${name}-${colorScheme}-${size}`)
      }
      const ground = await page.evaluate('getComputedStyle(document.body).backgroundColor') as string
      const [red = 0] = (/\d+/.exec(ground) ?? []).map(Number)
      t.equal(red > 128, colorScheme === 'light', `the ground is ${ground}`)
      t.same(page.complaints, [])
      await page.context().close()
    }
  }
})
