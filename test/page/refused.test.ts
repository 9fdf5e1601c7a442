/** What is refused is said in words: by a rule, by something newer, by an end of the login, by who asks. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import bcrypt from 'bcryptjs'
import t from 'tap'
import { inBrowser, reload, sees, show, visit } from '../support/browser.js'
import { push, tagsOf } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { image } from '../support/images.js'
import { allJobs, deleted } from '../support/jobs.js'
import { temporaryDirectory } from '../support/temporary.js'
import { startFront } from '../support/front.js'
import { USERS } from '../support/registry.js'
import { startTokenService } from '../support/tokens.js'

await inBrowser(t, 'what a rule protects: the rule is named, and nothing can be confirmed', async (t, browser, tool) => {
  const gate = await startGate(t, tool, { settings: { protection: { rules: [{ name: 'releases', repositories: ['team/**'], tags: ['v*'], users: [], overwrite: false }] } } })
  await push(gate.url, 'team/app', ['v1', 'dev'], await image('protected'))
  const page = await visit(browser, `${gate.url}/delgate/#/repositories/team/app`)
  for (const button of ['Delete tag v1', 'Delete repository…', 'Delete all tags…']) {
    await page.getByRole('button', { name: button }).click()
    await page.getByRole('alert').getByText('Protected: the rule “releases” of Delgate’s configuration keeps tag v1 of team/app.').waitFor()
    if (button === 'Delete repository…') await page.getByRole('textbox', { name: 'To confirm' }).fill('team/app')
    t.ok(await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).isDisabled(), button)
    if (button === 'Delete tag v1') await show(page, 'refused')
    await page.getByRole('button', { name: 'Keep it' }).click()
  }
  t.same(await allJobs(gate.url), [])
  t.same(page.complaints, [])
})

await inBrowser(t, 'what something newer stands in the way of is not undone; the trash is emptied', async (t, browser, tool) => {
  const gate = await startGate(t, tool, { settings: { trash: { keepFor: { tag: 24, manifest: 24, repository: 24, untagged: 0 } } } })
  for (const tag of ['1', '2']) {
    await push(gate.url, 'app', tag, await image(`old ${tag}`))
    await deleted(gate.url, `/v2/app/manifests/${tag}`)
  }
  await push(gate.url, 'app', '1', await image('new'))
  const page = await visit(browser, `${gate.url}/delgate/#/trash`)
  const row = page.getByRole('listitem').filter({ hasText: 'Delete app:1' })
  await row.getByRole('button', { name: 'Undo' }).click()
  await row.getByRole('alert').getByText(/^Something stands in the way: .*app/).waitFor()
  await show(page, 'trash')
  await page.getByRole('listitem').filter({ hasText: 'Delete app:2' }).getByRole('button', { name: 'Undo' }).click()
  await page.getByText('1 deletion,').waitFor()
  t.same(await tagsOf(gate.url, 'app'), ['1', '2'])
  await page.getByRole('button', { name: 'Empty the trash…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Empty the trash' }).click()
  await page.getByText('Nothing is kept.').waitFor()
  t.same((await allJobs(gate.url)).filter(({ trash }) => trash?.state === 'kept'), [])
  t.same(page.complaints, [])
})

await inBrowser(t, 'a wrong login is told; one that has ended is asked for again, and what was asked goes on', async (t, browser, tool) => {
  const file = join(await temporaryDirectory(t), 'htpasswd')
  const users = async (user: string, password: string): Promise<void> => { await writeFile(file, `${user}:${bcrypt.hashSync(password, 5)}\n`) }
  await users('carol', 'pässword')
  const gate = await startGate(t, tool, { settings: { access: { ways: ['htpasswd'], htpasswd: file } } })
  await push(gate.url, 'team/app', ['1', '2'], await image('login'))
  const page = await visit(browser, `${gate.url}/delgate/#/repositories/team/app`)
  const form = page.getByRole('dialog', { name: 'Log in' })
  const login = async (user: string, password: string): Promise<void> => {
    await form.getByLabel('User').fill(user)
    await form.getByLabel('Password').fill(password)
    await form.getByLabel('Password').press('Enter')
  }
  await login('carol', 'wrong')
  await form.getByRole('alert').getByText('User or password is wrong.').waitFor()
  await show(page, 'login')
  await form.press('Escape')
  t.ok(await form.isVisible(), 'there is nothing to see without')
  await login('carol', 'pässword')
  await page.getByRole('button', { name: 'Delete tag 1' }).waitFor()
  t.equal(await page.getByText('carol', { exact: true }).isVisible(), true)

  await users('dave', 'new')
  await page.getByRole('button', { name: 'Delete tag 1' }).click()
  await form.getByText('Your login is not accepted any more.').waitFor()
  await login('dave', 'new')
  await page.getByRole('dialog').getByText('1 tag and 0 manifests go.').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await page.getByText(/are free again/).waitFor()
  t.same(await tagsOf(gate.url, 'team/app'), ['2'])
  t.match(await page.evaluate('JSON.stringify([document.cookie, Object.keys(localStorage), Object.keys(sessionStorage)])'), '["",[],[]]', 'nothing is kept')
  t.same(page.complaints, [])
  await reload(page)
  await form.waitFor()
})

await inBrowser(t, 'where tokens come from elsewhere, the page says what to use instead', async (t, browser, tool) => {
  const service = await startTokenService(t)
  const gate = await startGate(t, tool, { registry: { auth: service.auth } })
  const page = await visit(browser, `${gate.url}/delgate/`)
  await page.getByRole('dialog').getByText(/gives out tokens at another address.*Use the command line/).waitFor()
  t.same(page.complaints, [])
}, { needs: ['openssl'] })

await inBrowser(t, 'tokens of the page\'s own origin: a login gets them, and more as they are needed', async (t, browser, tool) => {
  const [service, front] = [await startTokenService(t), await startFront(t)]
  const gate = await startGate(t, tool, { registry: { auth: { ...service.auth, realm: `${front.url}/token` } } })
  front.route('/', gate.url)
  front.route('/token', service.auth.realm)
  const headers = { authorization: `Bearer ${service.token('repository:team/app:pull,push', 'repository:team/other:pull,push')}` }
  const same = await image('token')
  await push(gate.url, 'team/app', ['1', '2'], same, { headers })
  await push(gate.url, 'team/other', 'latest', same, { headers })
  const page = await visit(browser, `${front.url}/delgate/#/repositories/team/app`)
  const form = page.getByRole('dialog', { name: 'Log in' })
  await form.getByLabel('User').fill('alice')
  await form.getByLabel('Password').fill('wrong')
  await form.getByLabel('Password').press('Enter')
  await sees(page, form.getByRole('alert').getByText('User or password is wrong.'))
  await form.getByLabel('Password').fill(USERS.alice)
  await form.getByLabel('Password').press('Enter')
  await sees(page, page.getByRole('button', { name: 'Delete tag 1' }))
  // The token is not for the other one, which has the same layers.
  await sees(page, page.getByText('No other repository that you may see is known to use what is stored here.'))
  // Of others it learns by the catalog, and gets a token when somebody looks there.
  await page.getByRole('link', { name: 'Repositories', exact: true }).click()
  await page.getByRole('link', { name: 'team/other' }).click()
  await sees(page, page.getByRole('button', { name: 'Delete tag latest' }))
  await page.goBack()
  await page.getByRole('link', { name: 'team/app' }).click()
  await page.getByRole('button', { name: 'Delete tag 1' }).click()
  await sees(page, page.getByRole('dialog').getByText('1 tag and 0 manifests go.'))
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await sees(page, page.getByText(/are free again/))
  t.same(await tagsOf(gate.url, 'team/app', { headers }), ['2'])
  t.same(page.complaints, [])
}, { needs: ['openssl'] })

await inBrowser(t, 'sizes that are not known yet are said to be too small, until they are known', async (t, browser, tool) => {
  const gate = await startGate(t, tool)
  await push(gate.url, 'team/app', '1', await image('measured'))
  const page = await visit(browser, `${gate.url}/delgate/#/jobs`)
  let isMeasured = false
  await page.route('**/v1/repositories?**', async route => {
    const response = await route.fetch()
    const answer = await response.json() as { repositories: object[] }
    await route.fulfill({ response, json: isMeasured ? answer : { ...answer, repositories: answer.repositories.map(one => ({ ...one, measured: false })) } })
  })
  await page.evaluate("location.hash = '#/'")
  await sees(page, page.getByText('Delgate still measures what is stored.'))
  await sees(page, page.getByRole('link', { name: 'team/app' }))
  isMeasured = true
  await page.getByText('Delgate still measures what is stored.').waitFor({ state: 'detached' })
  t.same(page.complaints, [])
})

await inBrowser(t, 'a network that breaks off what is asked is not the end; one that stays away is told', async (t, browser, tool) => {
  const gate = await startGate(t, tool)
  await push(gate.url, 'team/app', '1', await image('network'))
  const page = await visit(browser, `${gate.url}/delgate/#/jobs`)
  await sees(page, page.getByRole('heading', { name: 'Jobs', level: 1 }))
  let [broken, isAway] = [0, false]
  await page.route('**/v1/repositories?**', async route => {
    if (broken++ === 0 || isAway) await route.abort('internetdisconnected')
    else await route.fallback()
  })
  await page.evaluate("location.hash = '#/'")
  await sees(page, page.getByRole('link', { name: 'team/app' }))
  t.equal(broken, 2)
  isAway = true
  await page.getByRole('searchbox').fill('nothing')
  await sees(page, page.getByRole('alert').getByText('Delgate cannot be reached.'))
  isAway = false
  await page.getByRole('button', { name: 'Try again' }).click()
  await sees(page, page.getByText('No repository matches.'))
})
