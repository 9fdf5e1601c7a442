/** Ten thousand repositories: paged, searched, and there at once. How soon is printed, not asserted. */
import t from 'tap'
import { inBrowser, show, visit } from '../support/browser.js'
import { startGate } from '../support/delgate.js'
import { json, request } from '../support/http.js'
import { nameOf, writeRepositories } from '../support/many-repositories.js'
import { writeRegistryConfig } from '../support/registry.js'
import { memoryDirectory, until } from '../support/temporary.js'

const REPOSITORIES = 10_000
const ROWS = 50

await inBrowser(t, `${REPOSITORIES} repositories`, async (t, browser, tool) => {
  const files = await writeRegistryConfig(await memoryDirectory(t))
  writeRepositories(files.storage, REPOSITORIES)
  const gate = await startGate(t, tool, { files })
  await until('the index is complete', async () => {
    const { index } = json<{ index: { complete: boolean, repositories: number } }>(await request(gate.url, 'GET', '/delgate/v1/status'))
    return index.complete && index.repositories === REPOSITORIES
  }, 200_000, 250)
  for (const which of ['first', 'second', 'third']) {
    const page = await visit(browser, `${gate.url}/delgate/`)
    await page.getByRole('link', { name: nameOf(0) }).waitFor()
    // Since the browser began to go there.
    const took = await page.evaluate('performance.now()') as number
    t.comment(`the ${which} visit shows the list after ${Math.round(took)} ms`)
    await page.context().close()
  }
  const page = await visit(browser, `${gate.url}/delgate/`)
  await page.getByRole('link', { name: nameOf(0) }).waitFor()
  t.equal(await page.getByRole('rowheader').count(), ROWS)
  t.ok(await page.getByRole('button', { name: 'Previous' }).isDisabled())
  await page.getByRole('button', { name: 'Next' }).click()
  await page.getByRole('link', { name: nameOf(ROWS) }).waitFor()
  t.equal(await page.getByRole('link', { name: nameOf(0) }).count(), 0)
  await page.getByRole('link', { name: nameOf(ROWS) }).click()
  await page.getByRole('button', { name: 'Delete tag latest' }).waitFor()
  await page.goBack()
  await page.getByRole('link', { name: nameOf(ROWS) }).waitFor()
  t.pass('whoever comes back finds the list where it was')
  await page.getByRole('button', { name: 'Previous' }).click()
  await page.getByRole('link', { name: nameOf(0) }).waitFor()

  const began = performance.now()
  await page.getByRole('searchbox').fill('9999')
  await page.getByRole('link', { name: nameOf(9999) }).waitFor()
  t.comment(`a search is answered after ${Math.round(performance.now() - began)} ms`)
  await page.getByRole('searchbox').fill('')
  await page.getByRole('link', { name: nameOf(0) }).waitFor()
  await page.getByLabel('Sort by').selectOption('size')
  await page.getByRole('rowheader').nth(ROWS - 1).waitFor()
  await show(page, 'many')
  t.same(page.complaints, [])
})
