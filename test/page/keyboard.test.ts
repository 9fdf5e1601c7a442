/** Everything with the keyboard alone, and the focus is where it should be. */
import t from 'tap'
import { inBrowser, visit, type Visit } from '../support/browser.js'
import { push, tagsOf } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { image } from '../support/images.js'

/** What has the focus, as a screen reader names it. */
const focused = async (page: Visit): Promise<string> =>
  await page.evaluate("(document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent ?? '').trim()") as string

/** Presses Tab until something of that name has the focus, which must be visible there. */
async function tabTo (page: Visit, name: string): Promise<void> {
  const seen: string[] = []
  for (let steps = 0; steps < 60; steps++) {
    await page.keyboard.press('Tab')
    seen.push(await focused(page))
    if (seen.at(-1) !== name) continue
    const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle') as string
    if (outline === 'none') throw new Error(`${name} has the focus, and does not show it`)
    return
  }
  throw new Error(`Tab does not lead to ${name}, but to ${seen.join(' | ')}`)
}

await inBrowser(t, 'a tag is deleted without a mouse', async (t, browser, tool) => {
  const gate = await startGate(t, tool)
  await push(gate.url, 'team/app', ['1', '2'], await image('keyboard'))
  const page = await visit(browser, `${gate.url}/delgate/`)
  await page.getByRole('link', { name: 'team/app' }).waitFor()
  await page.keyboard.press('Tab')
  t.equal(await focused(page), 'Skip to the content')
  await tabTo(page, 'team/app')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Delete tag 1' }).waitFor()
  t.equal(await focused(page), 'team/app', 'the title of the new view has the focus')
  t.equal(await page.title(), 'team/app – Delgate')

  await tabTo(page, 'Delete tag 1')
  await page.keyboard.press('Enter')
  await page.getByText('1 tag and 0 manifests go.').waitFor()
  t.equal(await focused(page), 'Delete team/app:1?', 'the dialog is read from its title on')
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  t.equal(await focused(page), 'Delete tag 1', 'the focus is back where it was')

  await page.keyboard.press('Enter')
  await page.getByText('1 tag and 0 manifests go.').waitFor()
  await tabTo(page, 'Delete')
  await page.keyboard.press('Enter')
  await page.getByRole('status').getByText(/are free again/).waitFor()
  await tabTo(page, 'Close')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Delete tag 1' }).waitFor({ state: 'detached' })
  t.same(await tagsOf(gate.url, 'team/app'), ['2'])
  t.equal(await focused(page), 'team/app', 'the focus is not lost with the button')
  t.same(page.complaints, [])
})
