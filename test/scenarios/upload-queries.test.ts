/**
 * What a commit or a mount is about can be written in ways that Go reads and others do not. What the registry would commit
 * is claimed, or the request is refused: otherwise the gate would go on saying that it is gone.
 */
import t from 'tap'
import { beginUpload, hasBlob, push, pushBlobs, sendChunk } from '../support/client.js'
import { expectStatus, ociError, request, type RequestOptions } from '../support/http.js'
import { image, layer, type Layer } from '../support/images.js'
import { as, busyCollection, startGuarded, type Guarded } from '../support/interleaving.js'
import { del, jobEnded } from '../support/jobs.js'
import { eachRegistry } from '../support/tools.js'

interface Way {
  readonly method: 'PUT' | 'POST'
  /** What stands in the query, after the upload's own state. */
  readonly query: (digest: string, other: string) => string
  readonly body?: (digest: string) => string
  readonly type?: string
  /** A POST to an upload that was begun. */
  readonly begun?: boolean
  /** What the registry answers by itself, and what the gate does. */
  readonly statuses: readonly [registry: number, gate: number]
}

const FORM = 'application/x-www-form-urlencoded'
const multipart = (name: string, value: string): string => `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n--x--\r\n`
const put = (query: Way['query'], statuses: Way['statuses'], more: Partial<Way> = {}): Way => ({ method: 'PUT', query, statuses, ...more })
const post = (query: Way['query'], statuses: Way['statuses'], more: Partial<Way> = {}): Way => ({ method: 'POST', query, statuses, ...more })

const WAYS: readonly Way[] = [
  put(digest => `digest=${digest}`, [201, 201]),
  put(digest => `digest=${encodeURIComponent(digest)}`, [201, 201]),
  put(digest => `d%69gest=${digest.replace('sha', '%73h%61')}`, [201, 201]),
  put(digest => `x=a+b&digest=${digest}&y`, [201, 201]),
  put(digest => `#&digest=${digest}`, [201, 201]),
  put(digest => `x=%zz&digest=${digest}`, [201, 400]),
  put(digest => `x=1;y=2&digest=${digest}`, [201, 400]),
  put((digest, other) => `digest=${digest}&digest=${other}`, [201, 400]),
  put((digest, other) => `digest=${digest}&d%69gest=${other}`, [201, 400]),
  put(digest => `digest=&digest=${digest}`, [400, 400]),
  put(digest => `digest=${digest};x=1`, [400, 400]),
  put(digest => `digest=+${digest}`, [400, 400]),
  put(digest => `?digest=${digest}`, [400, 400]),
  put(digest => `Digest=${digest}`, [400, 400]),
  put(digest => `digest=${digest}`, [201, 201], { type: FORM, body: () => '' }),
  put(() => 'x', [201, 400], { type: FORM, body: digest => `digest=${digest}` }),
  put(() => 'x', [201, 400], { type: 'Application/X-WWW-Form-URLencoded ; charset', body: digest => `digest=${digest}` }),
  put((_digest, other) => `digest=${other}`, [201, 400], { type: FORM, body: digest => `digest=${digest}` }),
  put(() => 'x', [201, 400], { type: 'multipart/form-data; boundary=x', body: digest => multipart('digest', digest) }),
  post(digest => `mount=${digest}&from=source`, [201, 201]),
  post(digest => `mount=${encodeURIComponent(digest)}&from=s%6furce`, [201, 201]),
  post(digest => `mount=${digest}&from=source`, [201, 201], { begun: true }),
  post((digest, other) => `digest=${other}&mount=${digest}&from=source`, [201, 400]),
  post(digest => `x=%&mount=${digest}&from=source`, [201, 400]),
  post(digest => `mount=${digest}&from=source&from=none`, [201, 400]),
  post(digest => `mount=${digest}&from=Host.example/source`, [201, 202]),
  post(digest => `mount=${digest}`, [202, 202]),
  post(digest => `digest=${digest}`, [202, 202]),
  post(digest => `mount=${digest}&from=`, [202, 202]),
  post(digest => `mount=x${digest}&from=source`, [202, 202]),
  post(() => 'x', [201, 400], { type: FORM, body: digest => `mount=${digest}&from=source` }),
  post(() => '', [202, 202], { type: FORM, body: () => '' })
]

/** Sends it as its kind goes; the content of what is committed was sent before. */
async function sent (base: string, repository: string, way: Way, { digest, bytes }: Layer, other: Layer): Promise<RequestOptions & { readonly path: string }> {
  const isPlain = way.method === 'POST' && way.begun !== true
  const begun = isPlain ? `/v2/${repository}/blobs/uploads/?` : `${await beginUpload(base, repository, as('pusher'))}&`
  const path = way.method === 'PUT' ? `${await sendChunk(base, begun.slice(0, -1), bytes, as('pusher'))}&` : begun
  const headers = { ...as('pusher').headers, ...(way.type === undefined ? {} : { 'content-type': way.type }) }
  return { path: path + way.query(digest, other.digest), headers, body: way.body?.(digest) ?? '' }
}

const send = async (base: string, method: string, { path, ...options }: Awaited<ReturnType<typeof sent>>) => await request(base, method, path, options)

/** Everything is pushed and deleted again, and the registry has not been told to forget yet. */
async function buried (gate: Guarded, layers: readonly Layer[]): Promise<() => Promise<void>> {
  const content = await image('many', { layers })
  for (const repository of ['app', 'source']) await push(gate.url, repository, 'v1', content, as('somebody'))
  await pushBlobs(gate.registry.url, 'Host.example/source', layers)
  const collect = await busyCollection(gate)
  const answer = expectStatus(await del(gate.url, '/v2/app', as('somebody')), 202, 'DELETE')
  return async () => {
    collect()
    await jobEnded(gate.url, answer)
  }
}

await eachRegistry(t, 'commits and mounts, however they are written, are claimed or refused', async (t, tool) => {
  const gate = await startGuarded(t, tool)
  const layers = await Promise.all(WAYS.map(async (_, at) => await layer(`layer ${at}`)))
  const other = await layer('other')
  const collect = await buried(gate, layers)
  for (const [at, way] of WAYS.entries()) {
    const one = layers[at]!
    const what = `${way.method} ${way.query('D', 'OTHER')} ${way.type ?? ''}${way.begun === true ? ', begun' : ''}`
    const [registry, expected] = way.statuses
    t.equal((await send(gate.registry.url, way.method, await sent(gate.registry.url, `bare/${at}`, way, one, other))).status, registry, `${what}: the registry by itself`)
    t.equal(await hasBlob(gate.registry.url, `bare/${at}`, one.digest), registry === 201, 'has it then')
    const made = await sent(gate.url, 'app', way, one, other)
    const passed = gate.door.log.length
    const answer = await send(gate.url, way.method, made)
    t.equal(answer.status, expected, `${what}: the gate`)
    if (registry === 201 && expected === 400) {
      t.equal(ociError(answer).code, 'REQUEST_INVALID')
      t.equal(gate.door.log.length, passed, 'the registry never sees it')
    }
    t.equal(await hasBlob(gate.url, 'app', one.digest, as('pusher')), expected === 201, 'and the gate says so')
  }
  await collect()
})
