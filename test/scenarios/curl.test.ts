/** Every call of docs/curl.md, run as it stands there. */
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { catalog, push, tagsOf } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { image, multiArchitecture } from '../support/images.js'
import { run } from '../support/processes.js'
import { eachRegistry } from '../support/tools.js'

const text = await readFile(new URL('../../docs/curl.md', import.meta.url), 'utf8')
const blocks = [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, block]) => block!)

await eachRegistry(t, 'the blocks of docs/curl.md', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { trash: { keepFor: { tag: 1, manifest: 0, repository: 0, untagged: 0 } } } })
  const [first, ...rest] = blocks
  t.match(first, /^GATE=/)
  t.ok(rest.length >= 10, `${rest.length} blocks`)
  for (const block of rest) {
    // Each finds what it is about.
    await push(gate.url, 'team/app', 'v1', await image('v1'))
    await push(gate.url, 'team/app', 'v2', await multiArchitecture('v2'))
    await push(gate.url, 'team/app/deep', 'v1', await image('deep'))
    const { code, stdout, stderr } = await run('bash', ['-euo', 'pipefail', '-c', `${first}${block}`], { env: { ...process.env as Record<string, string>, GATE: gate.url } })
    t.equal(code, 0, `${block.trim().split('\n')[0]}: ${stderr}`)
    t.match(stdout, /\{/, 'it says something')
    if (block.includes('$digest')) t.same(await tagsOf(gate.url, 'team/app'), ['v1'])
    if (block.includes('tags/list')) t.notOk((await tagsOf(gate.url, 'team/app'))?.length)
    if (block.includes('recursive') || block.includes('confirm=all')) t.same((await catalog(gate.url)).filter(name => name.startsWith('team/app')), [])
    if (block.includes('undo')) t.ok((await tagsOf(gate.url, 'team/app'))?.includes('v1'), 'it is back')
  }
})
