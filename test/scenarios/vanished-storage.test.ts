/** The registry's volume is not mounted any more: an empty directory is not an empty registry. */
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { pull, push } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { assertClean } from '../support/disk.js'
import { expectStatus, ociError } from '../support/http.js'
import { digestsOf, image } from '../support/images.js'
import { allJobs, del, deleted, jobAt, jobEnded } from '../support/jobs.js'
import { eachPair, REGISTRY_PAIR } from '../support/pairs.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

await eachPair(t, 'the tree goes while Delgate runs, and comes back', async (t, tool, pair) => {
  const gate = await startGate(t, tool, { settings: { collection: pair.collection } })
  const [content, other] = [await image('vanishing'), await image('other')]
  await push(gate.url, 'app', 'v1', content)
  await push(gate.url, 'app', 'v2', other)
  await deleted(gate.url, '/v2/app/manifests/v2')
  const before = (await allJobs(gate.url)).length
  const [tree, away] = [join(gate.storage, 'docker'), join(gate.directory, 'away')]
  await rename(tree, away)
  for (const path of ['/v2/app/manifests/v1', `/v2/app/manifests/${content.digest}`, '/v2/app', '/v2/app?dry-run=true']) {
    const answer = await del(gate.url, path)
    t.equal(answer.status, 503, path)
    t.match(ociError(answer).message, /storage has gone.*nothing is deleted/)
  }
  t.equal((await allJobs(gate.url)).length, before, 'no job')
  // Something else is there: not the same either.
  await mkdir(join(tree, 'registry/v2/repositories'), { recursive: true })
  t.match(ociError(await del(gate.url, '/v2/app/manifests/v1')).message, /another than before/)
  await rm(tree, { recursive: true })
  await rename(away, tree)
  await pull(gate.url, 'app', 'v1', content)
  await deleted(gate.url, '/v2/app/manifests/v1')
  await assertClean(t, gate, { digests: digestsOf(content, other), repositories: ['app'] })
})

await eachRegistry(t, 'the tree goes before the collection of a job: it fails, and is made when the tree is back', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { collection: { ...REGISTRY_PAIR.collection, quietSeconds: 3, maximumDelaySeconds: 5 } } })
  const content = await image('vanishing')
  await push(gate.url, 'app', 'v1', content)
  await push(gate.url, 'stays', 'v1', await image('stays'))
  const answer = expectStatus(await del(gate.url, '/v2/app'), 202, 'DELETE')
  const [tree, away] = [join(gate.storage, 'docker'), join(gate.directory, 'away')]
  await rename(tree, away)
  const failed = await until('it was tried', async () => {
    const job = await jobAt(gate.url, answer.headers.location!)
    return job.state === 'failed' ? job : undefined
  })
  t.match(failed.error, { message: /storage has gone/ })
  await rename(away, tree)
  t.equal((await jobEnded(gate.url, answer)).state, 'done')
  await assertClean(t, gate, { digests: digestsOf(content), repositories: ['app'] })
})

await eachPair(t, 'the tree goes before a start', async (t, tool, pair) => {
  const settings = { collection: pair.collection }
  const gate = await startGate(t, tool, { settings })
  const content = await image('vanishing')
  await push(gate.url, 'app', 'v1', content)
  await gate.close()
  const [tree, away] = [join(gate.storage, 'docker'), join(gate.directory, 'away')]
  await rename(tree, away)
  await t.rejects(startGate(t, tool, { files: gate, settings }), { name: 'SetupError', message: /is the registry's volume mounted/ })
  await rm(tree, { recursive: true, force: true })
  await rename(away, tree)
  const next = await startGate(t, tool, { files: gate, settings })
  await pull(next.url, 'app', 'v1', content)
  await deleted(next.url, '/v2/app')
  await assertClean(t, next, { digests: digestsOf(content), repositories: ['app'] })
})
