/** The trash says how much it keeps in all, also of what it cannot list. */
import t from 'tap'
import { inBrowser, reload, sees, visit } from '../support/browser.js'
import { push } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { json, request } from '../support/http.js'
import { image } from '../support/images.js'
import { allJobs, deleted, type Job } from '../support/jobs.js'
import { formatBytes } from '../../src/page/model/format.js'

await inBrowser(t, 'the totals are of all that emptying takes; what is not listed is told', async (t, browser, tool) => {
  const gate = await startGate(t, tool, { settings: { trash: { keepFor: { tag: 24, manifest: 24, repository: 24, untagged: 0 } } } })
  for (const tag of ['1', '2', '3']) {
    await push(gate.url, 'app', tag, await image(`kept ${tag}`))
    await deleted(gate.url, `/v2/app/manifests/${tag}`)
  }
  const { trash } = json<{ trash: { jobs: number, bytes: number } }>(await request(gate.url, 'GET', '/delgate/v1/status'))
  t.equal(trash.jobs, 3)
  const page = await visit(browser, `${gate.url}/delgate/#/trash`)
  await sees(page, page.getByText(`3 deletions, ${formatBytes(trash.bytes)}:`))
  t.equal(await page.getByRole('button', { name: 'Undo' }).count(), 3)
  t.equal(await page.getByText(/can be listed here/).count(), 0)

  // As if the oldest were not among those that are answered.
  await page.route('**/v1/jobs?limit=1000', async route => {
    const response = await route.fetch()
    const { jobs, total } = await response.json() as { jobs: Job[], total: number }
    await route.fulfill({ response, json: { jobs: jobs.slice(0, -1), total } })
  })
  await reload(page)
  await sees(page, page.getByText('Only 2 of 3 deletions can be listed here: those among the newest 1,000 jobs that you may see.'))
  t.equal(await page.getByRole('button', { name: 'Undo' }).count(), 2)
  await page.getByText(`3 deletions, ${formatBytes(trash.bytes)}:`).waitFor()
  await page.getByRole('button', { name: 'Empty the trash…' }).click()
  await sees(page, page.getByRole('dialog').getByText(`3 deletions can then not be undone any more. ${formatBytes(trash.bytes)} become free.`))
  await page.getByRole('dialog').getByRole('button', { name: 'Empty the trash' }).click()
  await sees(page, page.getByText('Nothing is kept.'))
  t.same((await allJobs(gate.url)).filter(({ trash }) => trash?.state === 'kept'), [])
  t.same(page.complaints, [])
})
