/** Scenario 37: skopeo, crane and curl, as people use them, on names of many segments, with and without passwords. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { blobsOf, digestOf, digestsOf, image, multiArchitecture, noise, writeLayout } from '../support/images.js'
import { catalog, pull, push, tagsOf } from '../support/client.js'
import { clients, succeeds, type Clients } from '../support/clients.js'
import { startGate, type Gate } from '../support/delgate.js'
import { assertClean, blobsOnDisk } from '../support/disk.js'
import { basic, request } from '../support/http.js'
import { allJobs } from '../support/jobs.js'
import { USERS } from '../support/registry.js'
import { until } from '../support/temporary.js'
import { eachRegistry, type RegistryTool, type ToolName } from '../support/tools.js'

const NAME = 'team/sub/group/app'
const login = { user: 'alice', password: USERS.alice }

/** One gate and its clients, logged in or not. */
interface Scene extends Clients {
  readonly gate: Gate
  readonly headers: Record<string, string>
  /** `host:port/name`, as clients write it. */
  readonly name: string
}

/** Runs a test with the registry open to all, and again behind htpasswd. */
async function eachLogin (t: Test, title: string, needs: readonly ToolName[], run: (t: Test, scene: Scene) => Promise<void>): Promise<void> {
  for (const auth of [undefined, 'htpasswd'] as const) {
    await eachRegistry(t, `scenario 37: ${title}${auth === undefined ? '' : ', with htpasswd'}`, async (t: Test, tool: RegistryTool) => {
      const gate = await startGate(t, tool, { registry: { auth } })
      const client = await clients(t, gate.host, auth === undefined ? undefined : login)
      const headers = auth === undefined ? {} : basic(login.user, login.password)
      await run(t, { ...client, gate, headers, name: `${gate.host}/${NAME}` })
    }, needs)
  }
}

/** Waits until every job has ended well. */
async function settled ({ gate, headers }: Scene): Promise<void> {
  await until('all jobs end', async () => (await allJobs(gate.url, { headers })).every(({ state }) => state === 'done'))
}

const ALL_CLIENTS = ['skopeo', 'crane', 'curl'] as const

await eachLogin(t, 'skopeo copy, inspect, copy back and delete', ALL_CLIENTS, async (t, scene) => {
  const { skopeo, gate, headers, name, directory } = scene
  const content = await multiArchitecture('skopeo')
  await mkdir(join(directory, 'in'))
  await writeLayout(join(directory, 'in'), content, 'v1')
  const plain = ['--src-tls-verify=false', '--dest-tls-verify=false']
  await succeeds(skopeo('copy', '--all', '--preserve-digests', ...plain, `oci:${directory}/in:v1`, `docker://${name}:v1`))
  await pull(gate.url, NAME, 'v1', content, { headers })

  const inspected = JSON.parse(await succeeds(skopeo('inspect', '--tls-verify=false', `docker://${name}:v1`))) as { Digest: string, RepoTags: string[] }
  t.match(inspected, { Digest: content.digest, RepoTags: ['v1'] })
  await succeeds(skopeo('copy', '--all', '--preserve-digests', ...plain, `docker://${name}:v1`, `oci:${directory}/out:v1`))
  t.same((await readdir(join(directory, 'out/blobs/sha256'))).sort(), digestsOf(content).map((digest) => digest.slice(7)).sort(), 'everything came back')

  await succeeds(skopeo('delete', '--tls-verify=false', `docker://${name}:v1`))
  await settled(scene)
  await assertClean(t, gate, { digests: digestsOf(content), repositories: [NAME] })
  await succeeds(skopeo('copy', '--all', '--preserve-digests', ...plain, `oci:${directory}/in:v1`, `docker://${name}:v1`))
  await t.resolves(pull(gate.url, NAME, 'v1', content, { headers }), 'pushed again, it pulls')
})

await eachLogin(t, 'crane push, ls, catalog, manifest, pull and delete', ALL_CLIENTS, async (t, scene) => {
  const { crane, gate, headers, name, directory } = scene
  const content = await image('crane')
  await mkdir(join(directory, 'in'))
  await writeLayout(join(directory, 'in'), content)
  await succeeds(crane('push', `${directory}/in`, `${name}:v1`))
  await pull(gate.url, NAME, 'v1', content, { headers })
  t.equal((await succeeds(crane('ls', name))).trim(), 'v1')
  t.equal((await succeeds(crane('catalog', gate.host))).trim(), NAME)
  t.equal((await succeeds(crane('digest', `${name}:v1`))).trim(), content.digest)
  t.equal(await succeeds(crane('manifest', `${name}@${content.digest}`)), content.bytes.toString())
  await succeeds(crane('pull', '--format=oci', `${name}:v1`, `${directory}/out`))
  await succeeds(crane('validate', '--remote', `${name}:v1`))
  await succeeds(crane('copy', `${name}:v1`, `${gate.host}/elsewhere/copy:v1`))
  await pull(gate.url, 'elsewhere/copy', 'v1', content, { headers })

  await succeeds(crane('delete', `${name}:v1`))
  await settled(scene)
  t.same(await catalog(gate.url, { headers }), ['elsewhere/copy'])
  await succeeds(crane('delete', `${gate.host}/elsewhere/copy@${content.digest}`))
  await settled(scene)
  await assertClean(t, gate, { digests: digestsOf(content), repositories: [NAME, 'elsewhere/copy'] })
  await succeeds(crane('push', `${directory}/in`, `${name}:v1`))
  await t.resolves(pull(gate.url, NAME, 'v1', content, { headers }), 'pushed again, it pulls')
})

await eachLogin(t, 'curl with Expect: 100-continue, chunked, monolithic, ranges, mount and cancel', ALL_CLIENTS, async (t, scene) => {
  const { curl, gate, headers, directory } = scene
  const user = 'authorization' in headers ? ['--user', `${login.user}:${login.password}`] : []
  /** Runs curl; the answer's status, `Location` and `Range`. */
  const ask = async (...args: string[]) => {
    const out = await succeeds(curl(...user, '--output', join(directory, 'body'), '--write-out', '%{http_code}\n%header{location}\n%header{range}', ...args))
    const [status, location, range] = out.split('\n')
    return { status: Number(status), location: location === '' ? '' : new URL(location!, gate.url).href, range }
  }
  const big = noise('curl', 3_000_000)
  const file = join(directory, 'blob')
  await writeFile(file, big)
  const digest = digestOf(big)
  const uploads = `${gate.url}/v2/${NAME}/blobs/uploads/`
  const octets = ['--header', 'content-type: application/octet-stream']
  const marked = (location: string, of = digest) => `${location}${location.includes('?') ? '&' : '?'}digest=${of}`
  const blob = `${gate.url}/v2/${NAME}/blobs/${digest}`
  const stored = async (of: string, bytes: Buffer) => {
    const answer = await request(gate.url, 'GET', `/v2/${NAME}/blobs/${of}`, { headers })
    return answer.status === 200 && answer.body.equals(bytes)
  }

  let begun = await ask('--request', 'POST', uploads)
  t.equal(begun.status, 202)
  t.ok(begun.location.startsWith(gate.url), 'the Location stays on the gate')
  const whole = await ask('--request', 'PUT', ...octets, '--header', 'expect: 100-continue', '--data-binary', `@${file}`, marked(begun.location))
  t.equal(whole.status, 201, 'PUT with Expect: 100-continue')
  t.ok(await stored(digest, big))

  begun = await ask('--request', 'POST', uploads)
  const parts = [big.subarray(0, 1_000_000), big.subarray(1_000_000, 1_000_001), big.subarray(1_000_001, 2_000_000)]
  let location = begun.location
  let offset = 0
  for (const part of parts) {
    await writeFile(join(directory, 'part'), part)
    const sent = await ask('--request', 'PATCH', ...octets, '--header', `content-range: ${offset}-${offset + part.length - 1}`, '--data-binary', `@${join(directory, 'part')}`, location)
    t.equal(sent.status, 202, 'PATCH')
    offset += part.length
    t.equal(sent.range, `0-${offset - 1}`)
    location = sent.location
  }
  t.equal((await ask(location)).range, `0-${offset - 1}`, 'GET of an upload says how far it is')
  const assembled = big.subarray(0, 2_000_000)
  t.equal((await ask('--request', 'PUT', '--header', 'content-length: 0', marked(location, digestOf(assembled)))).status, 201)
  t.ok(await stored(digestOf(assembled), assembled))

  begun = await ask('--request', 'POST', uploads)
  const streamed = await ask('--request', 'PATCH', ...octets, '--header', 'transfer-encoding: chunked', '--data-binary', `@${file}`, begun.location)
  t.equal(streamed.status, 202, 'transfer-encoding: chunked')
  t.equal((await ask('--request', 'PUT', marked(streamed.location))).status, 201)

  // A registry may leave the monolithic POST out (distribution does); it then begins an upload.
  t.equal((await ask('--request', 'POST', ...octets, '--data-binary', `@${file}`, `${uploads}?digest=${digest}`)).status, 202)

  const ranged = await ask('--range', '1000-1999', blob)
  t.equal(ranged.status, 206)
  t.ok((await request(gate.url, 'GET', `/v2/${NAME}/blobs/${digest}`, { headers: { ...headers, range: 'bytes=1000-1999' } })).body.equals(big.subarray(1_000, 2_000)))
  t.equal((await ask('--head', blob)).status, 200)

  const mounted = await ask('--request', 'POST', `${gate.url}/v2/other/app/blobs/uploads/?mount=${digest}&from=${encodeURIComponent(NAME)}`)
  t.equal(mounted.status, 201, 'mount')
  t.ok(mounted.location.startsWith(`${gate.url}/v2/other/app/blobs/`))
  t.equal((await ask(`${gate.url}/v2/other/app/blobs/${digest}`)).status, 200)
  const notMounted = await ask('--request', 'POST', `${gate.url}/v2/other/app/blobs/uploads/?mount=sha256:${'1'.repeat(64)}&from=${encodeURIComponent(NAME)}`)
  t.equal(notMounted.status, 202, 'a mount of what is not there begins an upload')

  t.equal((await ask('--request', 'DELETE', notMounted.location)).status, 204, 'cancel')
  t.equal((await ask(notMounted.location)).status, 404, 'it is gone')

  begun = await ask('--request', 'POST', uploads)
  t.equal((await ask('--request', 'PUT', ...octets, '--data-binary', `@${file}`, marked(begun.location, `sha256:${'2'.repeat(64)}`))).status, 400, 'a wrong digest')
  t.notOk((await blobsOnDisk(gate.storage)).includes(`sha256:${'2'.repeat(64)}`))
})

await eachLogin(t, 'curl deletes by tag', ALL_CLIENTS, async (t, scene) => {
  const { curl, gate, headers } = scene
  const user = 'authorization' in headers ? ['--user', `${login.user}:${login.password}`] : []
  const content = await image('curl delete')
  await push(gate.url, NAME, ['v1', 'v2'], content, { headers })
  const out = await succeeds(curl(...user, '--fail', '--include', '--request', 'DELETE', `${gate.url}/v2/${NAME}/manifests/v1`))
  t.match(out, /^HTTP\/1\.1 202 /)
  t.same(await tagsOf(gate.url, NAME, { headers }), ['v2'])
  await succeeds(curl(...user, '--fail', '--request', 'DELETE', `${gate.url}/v2/${NAME}`))
  await settled(scene)
  await assertClean(t, gate, { digests: [content.digest, ...blobsOf(content).map(({ digest }) => digest)], repositories: [NAME] })
})
