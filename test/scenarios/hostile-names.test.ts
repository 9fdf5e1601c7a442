/** Scenario 19: names and references that want out of the tree, or out of the grammar. */
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { json, request } from '../support/http.js'
import { digestsOf, image } from '../support/images.js'
import { pull, push } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { assertClean, listing } from '../support/disk.js'
import { del, jobEnded } from '../support/jobs.js'
import { eachPair } from '../support/pairs.js'

const long = 'a'.repeat(300)
const zeros = `sha256:${'0'.repeat(64)}`
const HOSTILE_NAMES = [
  '..', '../..', '%2e%2e', '%2e%2e%2f%2e%2e', '..%2f..', 'app/..', 'app/../app', 'app/%2e%2e/app', './app', 'app/.', '%00', 'app%00', 'app%00/x',
  'App', 'APP', 'ap%20p', 'app.', 'app..', 'app-', '.app', '-app', '_app', 'app//x', '/app', 'app/', '//', 'app\\..\\x', 'app%5c..', 'app%2f', 'app;x',
  '_manifests', 'app/_manifests', 'app/_layers', '_uploads', long, `${'a/'.repeat(150)}a`, 'äpp', '%ff%fe', 'app%0d%0ax', '*', '%', '%zz', 'app:v1', 'app@x'
]
const HOSTILE_REFERENCES = [
  '..', '%2e%2e', '..%2f..%2f..', '%00', 'v1%00', '.v1', '-v1', 'v1%2f..', 'v1%20', 'v1:x', long, 'sha256:', 'sha256:..', 'sha256:%2e%2e', `sha256:${'A'.repeat(64)}`,
  `sha256:${'a'.repeat(63)}`, `sha256:${'a'.repeat(65)}`, `md5:${'a'.repeat(32)}`, `sha512:${'a'.repeat(64)}`, 'sha256:../../../../x', `../${zeros}`, '%', '%zz', 'vé', '*', ':'
]

/** Bytes that node:http refuses to send are sent as UTF-8 bytes, as a careless client would. */
const encodeNonAscii = (path: string) => Buffer.from(path).toString('latin1')

/** Everything that is asked to delete something hostile. */
const targets = [
  ...HOSTILE_NAMES.flatMap((name) => [
    `/v2/${name}`, `/v2/${name}?recursive=true`, `/v2/${name}/manifests/v1`, `/v2/${name}/manifests/${zeros}`, `/v2/${name}/tags/list`, `/v2/${name}/tags/reference/v1`, `/v2/${name}/blobs/${zeros}`
  ]).filter((path) => path !== '/v2/app/'),
  ...HOSTILE_REFERENCES.flatMap((reference) => [`/v2/app/manifests/${reference}`, `/v2/app/tags/reference/${reference}`, `/v2/app/blobs/${reference}`])
]
// `app/` with a tail is `app//…`, and the same as `app` alone; that one really deletes.
const HARMFUL = new Set(['/v2/app/?recursive=true', '/v2/app%2f', '/v2/app%2f?recursive=true'])

await eachPair(t, 'scenario 19: hostile names and references are 400 or 404, and touch nothing', async (t, tool, { collection }) => {
  const gate = await startGate(t, tool, { settings: { collection } })
  const content = await image('victim')
  await push(gate.url, 'app', 'v1', content)
  await writeFile(join(gate.directory, 'canary'), 'alive')
  await mkdir(join(gate.directory, '_manifests/tags/v1/current'), { recursive: true })
  await writeFile(join(gate.directory, '_manifests/tags/v1/current/link'), content.digest)
  const outside = async () => (await listing(gate.directory)).filter(({ path }) => !path.startsWith('state'))
  const before = await outside()

  const wrong: string[] = []
  for (const path of targets.filter((one) => !HARMFUL.has(one))) {
    const answer = await request(gate.url, 'DELETE', encodeNonAscii(path))
    // A 405 comes from the registry, for paths that are none of Delgate's.
    if (![400, 404, 405].includes(answer.status)) wrong.push(`${path}: ${answer.status}`)
    const said = answer.body.toString()
    if (said.includes(gate.directory) || /\bat .*\.[jt]s:\d+/.test(said)) wrong.push(`${path}: tells too much: ${said}`)
    if (answer.status === 400 && json<{ errors?: unknown[] }>(answer).errors === undefined) wrong.push(`${path}: no OCI error: ${said}`)
  }
  t.same(wrong, [], 'every one was refused')
  t.same(await outside(), before, 'nothing inside or outside the tree changed')
  await pull(gate.url, 'app', 'v1', content)
})

await eachPair(t, 'scenario 19: symbolic links inside the tree are not followed out of it', async (t, tool, { collection }) => {
  // What a link hides could be in use, so collections fail as long as it is there: trying again is no use.
  const gate = await startGate(t, tool, { settings: { collection: { ...collection, attempts: 1 } } })
  const content = await image('linked')
  await push(gate.url, 'app', 'v1', content)
  await push(gate.url, 'parent/child', 'v1', content)
  // Outside lies something that looks just like a repository.
  const outside = join(gate.directory, 'outside')
  await mkdir(join(outside, '_manifests/tags/v1/current'), { recursive: true })
  await writeFile(join(outside, '_manifests/tags/v1/current/link'), content.digest)
  await mkdir(join(outside, '_layers/sha256'), { recursive: true })
  await writeFile(join(outside, 'precious'), 'alive')
  const before = await listing(outside)

  const repositories = join(gate.storage, 'docker/registry/v2/repositories')
  await symlink(outside, join(repositories, 'evil'))
  await symlink(outside, join(repositories, 'parent/evil'))
  await symlink(join(outside, '_manifests/tags/v1'), join(repositories, 'app/_manifests/tags/evil'))
  await symlink('/', join(repositories, 'root'))

  for (const path of ['/v2/evil', '/v2/evil/manifests/v1', '/v2/evil/tags/list', '/v2/root?recursive=true', '/v2/root', '/v2/app/manifests/evil', '/v2/parent?recursive=true', '/v2/app']) {
    const answer = await del(gate.url, path)
    t.ok([202, 400, 404, 409].includes(answer.status), `${path}: ${answer.status} ${answer.body.toString()}`)
    if (answer.status === 202) t.match(JSON.stringify((await jobEnded(gate.url, answer)).error), /evil|root/, 'the job names such a link')
    t.same(await listing(outside), before, `${path}: nothing outside was touched`)
  }
})

await eachPair(t, 'names of many segments are names like any other', async (t, tool, { collection }) => {
  const gate = await startGate(t, tool, { settings: { collection } })
  const content = await image('segments')
  const name = 'a/b/c/d/e/f/g/h/manifests/tags/list/blobs/uploads/x'
  await push(gate.url, name, 'v1', content)
  await pull(gate.url, name, 'v1', content)
  const answer = await del(gate.url, `/v2/${name}/manifests/v1`)
  t.equal(answer.status, 202)
  await jobEnded(gate.url, answer)
  await assertClean(t, gate, { digests: digestsOf(content), repositories: [name] })
})
