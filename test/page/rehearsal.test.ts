/** A preview is of what is deleted then, and deletes nothing itself. */
import t from 'tap'
import { inBrowser, sees, visit } from '../support/browser.js'
import { catalog, push, tagsOf } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { image } from '../support/images.js'
import { allJobs } from '../support/jobs.js'

await inBrowser(t, 'what was not looked at cannot be confirmed: not while the numbers are those of another deletion', async (t, browser, tool) => {
  const gate = await startGate(t, tool)
  for (const name of ['team/app', 'team/app/below']) await push(gate.url, name, ['1', '2'], await image(name))
  const page = await visit(browser, `${gate.url}/delgate/#/repositories/team/app`)
  let answer = (): void => {}
  const isHeld = new Promise<void>(resolve => { answer = resolve })
  await page.route(url => url.searchParams.has('recursive') && url.searchParams.has('dry-run'), async route => {
    await isHeld
    await route.fallback()
  })
  await page.getByRole('button', { name: 'Delete repository…' }).click()
  const dialog = page.getByRole('dialog')
  const confirm = dialog.getByRole('button', { name: 'Delete' })
  await sees(page, dialog.getByText('2 tags and 1 manifest go.'))
  await dialog.getByRole('textbox').fill('team/app')
  t.ok(await confirm.isEnabled())
  await dialog.getByRole('checkbox').check()
  await sees(page, dialog.getByRole('status').getByText('Looking at what would go…'))
  t.equal(await dialog.getByText(/manifests? go\./).count(), 0, 'the numbers of the other one are gone')
  t.ok(await confirm.isDisabled())
  await dialog.getByRole('textbox').press('Enter')
  t.same(await allJobs(gate.url), [])

  await dialog.getByRole('checkbox').uncheck()
  await sees(page, dialog.getByText('2 tags and 1 manifest go.'))
  await dialog.getByRole('checkbox').check()
  answer()
  await sees(page, dialog.getByText('4 tags and 2 manifests go.'))
  t.same(await catalog(gate.url), ['team/app', 'team/app/below'])
  await confirm.click()
  await sees(page, dialog.getByText(/are free again/))
  t.same(await catalog(gate.url), [])
  t.same(page.complaints, [])
})

await inBrowser(t, 'an address with a name that cannot be leads to the list, and deletes nothing', async (t, browser, tool) => {
  const gate = await startGate(t, tool)
  await push(gate.url, 'team/app', '1', await image('names'))
  const page = await visit(browser, `${gate.url}/delgate/#/jobs`)
  const deletions: string[] = []
  page.on('request', request => { if (request.method() === 'DELETE') deletions.push(request.url()) })
  for (const name of ['team/app%23', 'team/app%3Fx', 'team/x/%2e%2e/app']) {
    await page.goto(`${gate.url}/delgate/#/jobs`)
    await sees(page, page.getByRole('heading', { name: 'Jobs', level: 1 }))
    await page.goto(`${gate.url}/delgate/#/repositories/${name}`)
    await sees(page, page.getByRole('heading', { name: 'Repositories', level: 1 }))
    await sees(page, page.getByRole('link', { name: 'team/app' }))
    t.equal(await page.getByRole('button', { name: 'Delete' }).count(), 0, name)
    t.same([deletions, await tagsOf(gate.url, 'team/app'), await allJobs(gate.url)], [[], ['1'], []], name)
  }
  t.same(page.complaints, [])
})
