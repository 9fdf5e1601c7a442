/** What the configuration protects cannot be deleted on any way, nor overwritten; those who may, may. */
import t from 'tap'
import { manifestStatus, pull, push } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { listing } from '../support/disk.js'
import { basic, header, json, ociError, request, type Answer } from '../support/http.js'
import { image, type Manifest } from '../support/images.js'
import { del, deleted, jobEnded, receiptOf } from '../support/jobs.js'
import { USERS } from '../support/registry.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

const alice = { headers: basic('alice', USERS.alice) }
const bob = { headers: basic('bob', USERS.bob) }

const RULES = [
  { name: 'releases', repositories: ['team/*'], tags: ['v*'], users: ['alice'], overwrite: false },
  { name: 'golden images', repositories: ['golden/**'], users: [], overwrite: false },
  { name: 'moving', repositories: ['moving'], tags: ['latest'], users: [], overwrite: true }
]

/** Puts a manifest whose contents are there; the answer may be any. */
const put = async (base: string, repository: string, tag: string, { mediaType, bytes }: Manifest, { headers }: { headers: object }): Promise<Answer> =>
  await request(base, 'PUT', `/v2/${repository}/manifests/${tag}`, { headers: { 'content-type': mediaType, ...headers }, body: bytes })

await eachRegistry(t, 'a protected tag is not deleted on any way, but by those who may', async (t, tool) => {
  const gate = await startGate(t, tool, { registry: { auth: 'htpasswd' }, settings: { protection: { rules: RULES } } })
  const [release, other, golden] = [await image('release'), await image('other'), await image('golden')]
  await push(gate.url, 'team/app', ['v1', 'dev'], release, bob)
  await push(gate.url, 'team/app', 'other', other, bob)
  await push(gate.url, 'golden/base', 'x', golden, bob)
  const before = await listing(gate.storage)
  const ways: ReadonlyArray<readonly [path: string, rule: string]> = [
    ['/v2/team/app/manifests/v1', 'releases'], [`/v2/team/app/manifests/${release.digest}`, 'releases'], ['/v2/team/app/tags/list', 'releases'],
    ['/v2/team/app/tags/reference/v1', 'releases'], ['/v2/team/app', 'releases'], ['/v2/team?recursive=true', 'releases'],
    ['/v2/golden/base', 'golden images'], ['/v2/golden/base/manifests/x', 'golden images'], [`/v2/golden/base/manifests/${golden.digest}`, 'golden images'],
    ['/v2/golden?recursive=true', 'golden images']
  ]
  for (const [path, rule] of ways) {
    for (const query of ['', path.includes('?') ? '&dry-run=true' : '?dry-run=true']) {
      const answer = await del(gate.url, path + query, bob)
      t.equal(answer.status, 403, path + query)
      t.match(ociError(answer), { code: 'DENIED', message: `the rule "${rule}"`, detail: { rule } })
    }
  }
  t.equal((await del(gate.url, '/delgate/v1/repositories?confirm=all', bob)).status, 403, 'everything')
  t.equal((await del(gate.url, '/v2/golden/base', alice)).status, 403, 'a rule without users holds for everybody')
  t.equal((await del(gate.url, '/v2/team/app/manifests/none', bob)).status, 404, 'what is not there is not protected')
  t.same(await listing(gate.storage), before, 'nothing changed')

  await deleted(gate.url, '/v2/team/app/manifests/dev', bob)
  await deleted(gate.url, '/v2/team/app/manifests/other', bob)
  await pull(gate.url, 'team/app', 'v1', release, bob)
  await deleted(gate.url, '/v2/team/app/manifests/v1', alice)
  t.equal(await manifestStatus(gate.url, 'team/app', 'v1', alice), 404)
})

await eachRegistry(t, 'a protected tag is not overwritten', async (t, tool) => {
  const gate = await startGate(t, tool, { registry: { auth: 'htpasswd' }, settings: { protection: { rules: RULES } } })
  const [first, second] = [await image('first'), await image('second')]
  await push(gate.url, 'team/app', 'v1', first, bob)
  await push(gate.url, 'team/app', 'dev', second, bob)
  const refused = await put(gate.url, 'team/app', 'v1', second, bob)
  t.equal(refused.status, 403)
  t.match(ociError(refused), { code: 'DENIED', message: /tag v1 of team\/app is protected by the rule "releases"/ })
  await pull(gate.url, 'team/app', 'v1', first, bob)
  t.equal((await put(gate.url, 'team/app', 'v1', first, bob)).status, 201, 'the same again')
  t.equal((await put(gate.url, 'team/app', 'v1', second, { headers: basic('alice', 'wrong') })).status, 401, 'alice is only who has her password')
  const bare = await request(gate.url, 'GET', '/v2/')
  for (const tag of ['v1', 'v2']) {
    const stranger = await put(gate.url, 'team/app', tag, second, { headers: {} })
    t.match([stranger.status, ociError(stranger).code, header(stranger, 'www-authenticate')], [401, 'UNAUTHORIZED', header(bare, 'www-authenticate')], `a stranger does not learn whether there is a ${tag}`)
  }
  t.equal(json<{ entries: object[] }>(await request(gate.url, 'GET', '/delgate/v1/audit?action=overwrite', bob)).entries.length, 1, 'only the one of somebody who may push')
  await pull(gate.url, 'team/app', 'v1', first, bob)
  t.equal((await put(gate.url, 'team/app', 'v1', second, alice)).status, 201)
  await pull(gate.url, 'team/app', 'v1', second, bob)

  await push(gate.url, 'moving', 'latest', first, bob)
  await push(gate.url, 'moving', 'latest', second, bob)
  await pull(gate.url, 'moving', 'latest', second, bob)
  t.equal((await del(gate.url, '/v2/moving/manifests/latest', bob)).status, 403)

  // Two at once: one of them is first, and stays.
  await push(gate.url, 'team/race', ['a'], first, bob)
  await push(gate.url, 'team/race', ['b'], second, bob)
  const answers = await Promise.all([first, second].map(async content => (await put(gate.url, 'team/race', 'v1', content, bob)).status))
  t.same([...answers].sort(), [201, 403])
  await pull(gate.url, 'team/race', 'v1', answers[0] === 201 ? first : second, bob)
})

await eachRegistry(t, 'without verified users, a name alone opens nothing', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { protection: { rules: RULES } } })
  await push(gate.url, 'team/app', 'v1', await image('open'))
  t.equal((await del(gate.url, '/v2/team/app', { headers: basic('alice', 'anything') })).status, 403)
})

await eachRegistry(t, 'a collection of what no tag reaches leaves protected repositories alone, and says so', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { protection: { rules: RULES }, drain: { sessionIdleSeconds: 1 } } })
  const [golden, plain] = [await image('golden'), await image('plain')]
  for (const [name, content] of [['golden/base', golden], ['plain', plain]] as const) await push(gate.url, name, content.digest, content)
  const collect = async () => receiptOf(await jobEnded(gate.url, await request(gate.url, 'POST', '/delgate/v1/collections', { headers: { 'content-type': 'application/json' }, body: '{"untagged":true}' })))
  // What was just pushed counts as being pushed still, for a while.
  const receipt = await until('something is collected', async () => {
    const receipt = await collect()
    return receipt.manifests.length > 0 ? receipt : undefined
  })
  t.same(receipt.manifests, [{ repository: 'plain', digest: plain.digest }])
  t.match(receipt.warnings, [/nothing was removed from golden\/base: it is protected by the rule "golden images"/])
  await pull(gate.url, 'golden/base', golden.digest, golden)
})
