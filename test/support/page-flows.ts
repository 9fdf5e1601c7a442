/** What somebody does who wants room back: look, search, see what would go, delete, watch, undo; with a login and without. */
import type { Browser } from 'playwright-core'
import type { Test } from 'tap'
import { formatBytes } from '../../src/page/model/format.js'
import { inBrowser, show, visit, type Visit, sees } from './browser.js'
import { catalog, manifestStatus, pull, push, tagsOf, type ClientOptions } from './client.js'
import { startGate, type Gate, type PartialSettings } from './delgate.js'
import { openDoor } from './door.js'
import { basic, expectStatus, json } from './http.js'
import { image, layer } from './images.js'
import { busyCollection, startBehind } from './interleaving.js'
import { allJobs, del, type Receipt } from './jobs.js'
import { startRegistry, USERS, type RegistryOptions } from './registry.js'

const KEPT: PartialSettings = { trash: { keepFor: { tag: 24, manifest: 24, repository: 24, untagged: 0 } } }

interface World { readonly gate: Gate, readonly page: Visit, readonly client: ClientOptions }

const registryOf = (isGuarded: boolean): RegistryOptions => isGuarded ? { auth: 'htpasswd' } : {}
const clientOf = (isGuarded: boolean): ClientOptions => isGuarded ? { headers: basic('alice', USERS.alice) } : {}

async function open (gate: Gate, browser: Browser, isGuarded: boolean): Promise<World> {
  const client = clientOf(isGuarded)
  const base = await layer('base', 500_000)
  for (const tag of ['1', '2', '3']) await push(gate.url, 'team/app', tag, await image(tag, { layers: [base, await layer(tag, 200_000)] }), client)
  await push(gate.url, 'team/base', 'latest', await image('base', { layers: [base] }), client)
  await push(gate.url, 'shop', 'latest', await image('shop'), client)
  const page = await visit(browser, `${gate.url}/delgate`)
  if (isGuarded) {
    await sees(page, page.getByLabel('User'))
    await page.getByLabel('User').fill('alice')
    await page.getByLabel('Password').fill(USERS.alice)
    await page.getByRole('button', { name: 'Log in' }).click()
  }
  await sees(page, page.getByRole('link', { name: 'team/app' }))
  return { gate, page, client }
}

/** The same on the way in with a login and without; against each release line of the registry. */
export async function testDeletions (t: Test, isGuarded: boolean): Promise<void> {
  const way = isGuarded ? 'with a login' : 'without a login'
  await inBrowser(t, `${way}: list, search, preview, delete a tag, undo`, async (t, browser, tool) => {
    const { gate, page, client } = await open(await startGate(t, tool, { registry: registryOf(isGuarded), settings: KEPT }), browser, isGuarded)
    t.same(await page.getByRole('rowheader').getByRole('link').allTextContents(), ['shop', 'team/app', 'team/base'])
    await page.getByRole('searchbox').fill('base')
    await page.getByRole('link', { name: 'team/app' }).waitFor({ state: 'hidden' })
    t.same(await page.getByRole('rowheader').getByRole('link').allTextContents(), ['team/base'])
    await page.getByRole('searchbox').fill('team/*')
    await page.getByRole('link', { name: 'team/app' }).click()

    await page.getByRole('heading', { name: 'team/app', level: 1 }).waitFor()
    t.equal(await page.getByRole('region', { name: 'Shares layers with' }).getByRole('link').textContent(), 'team/base')
    const { receipt } = json<{ receipt: Receipt }>(expectStatus(await del(gate.url, '/v2/team/app/manifests/2?dry-run=true', client), 200, 'dry run'))
    await page.getByRole('button', { name: 'Delete tag 2' }).click()
    const dialog = page.getByRole('dialog', { name: 'Delete team/app:2' })
    await dialog.getByText(`${formatBytes(receipt.bytesInTrash)} moved to the trash`).waitFor()
    await dialog.getByText('shared with other repositories, stays').waitFor()
    t.match(await dialog.textContent(), /team\/base \(latest\)/, 'it says who keeps what stays')
    if (!isGuarded) await show(page, 'preview')
    t.same(await tagsOf(gate.url, 'team/app', client), ['1', '2', '3'], 'so far nothing has changed')

    await dialog.getByRole('button', { name: 'Delete' }).click()
    await dialog.getByText(/are kept in the trash/).waitFor()
    t.equal(await manifestStatus(gate.url, 'team/app', '2', client), 404)
    if (!isGuarded) await show(page, 'deleted')
    await dialog.getByRole('button', { name: 'Undo' }).click()
    await dialog.getByText(/It was undone/).waitFor()
    await pull(gate.url, 'team/app', '2', await image('2', { layers: [await layer('base', 500_000), await layer('2', 200_000)] }), client)
    await dialog.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('button', { name: 'Delete tag 2' }).waitFor()
    t.same(page.complaints, [])
  }, { versions: ['2.8', '3.1'] })

  await inBrowser(t, `${way}: a repository goes when its name was typed, and one sees how`, async (t, browser, tool) => {
    const registry = await startRegistry(t, tool, registryOf(isGuarded))
    const door = await openDoor(t, registry.url)
    const { gate, page, client } = await open(await startBehind(t, { door, registry }), browser, isGuarded)
    const goOn = await busyCollection({ url: gate.url, door }, client)
    await page.getByRole('link', { name: 'team/app' }).click()
    await page.getByRole('button', { name: 'Delete repository…' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('This cannot be undone.').waitFor()
    const confirm = dialog.getByRole('button', { name: 'Delete' })
    for (const wrong of ['', 'team', 'team/apps']) {
      await dialog.getByRole('textbox').fill(wrong)
      t.ok(await confirm.isDisabled(), `"${wrong}" is not its name`)
      await dialog.getByRole('textbox').press('Enter')
    }
    t.equal((await allJobs(gate.url, client)).length, 1, 'there is the other job alone')
    await dialog.getByRole('textbox').fill('team/app')
    await confirm.click()
    await dialog.getByRole('status').getByText('Waiting for its turn').waitFor()
    await dialog.getByRole('progressbar').waitFor()
    await dialog.getByRole('button', { name: 'Cancel the job' }).waitFor()
    await dialog.getByText('the references are gone already').waitFor()
    if (!isGuarded) await show(page, 'progress')
    goOn()
    await dialog.getByText(/are free again/).waitFor()
    t.equal(await dialog.getByRole('progressbar').count(), 0)
    t.same(await catalog(gate.url, client), ['shop', 'team/base'])
    await dialog.getByRole('link', { name: 'All about this job' }).click()
    await page.getByRole('heading', { name: 'Delete repository team/app' }).waitFor()
    if (!isGuarded) await show(page, 'job')
    await page.getByRole('navigation', { name: 'Delgate' }).getByRole('link', { name: 'Repositories' }).click()
    await page.getByRole('link', { name: 'team/base' }).waitFor()
    t.equal(await page.getByRole('link', { name: 'team/app' }).count(), 0)
    t.same(page.complaints, [])
  }, { versions: ['2.8', '3.1'] })
}
