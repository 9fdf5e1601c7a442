/** The proxy: what comes through it is what the registry says, and the client never leaves the gate. */
import { Agent } from 'node:http'
import t, { type Test } from 'tap'
import { expectStatus, header, json, ociError, open, read, request, type Answer } from '../support/http.js'
import { ACCEPT_ALL, blobOf, image, multiArchitecture } from '../support/images.js'
import { beginUpload, pull, pullBlob, push } from '../support/client.js'
import { startGate } from '../support/delgate.js'
import { deleted } from '../support/jobs.js'
import { startRegistry, type RegistryOptions } from '../support/registry.js'
import { eachRegistry } from '../support/tools.js'

const modes: ReadonlyArray<{ readonly title: string, readonly registry: RegistryOptions }> = [
  { title: 'absolute', registry: { relativeurls: false } },
  { title: 'relative', registry: { relativeurls: true } },
  { title: 'http.host elsewhere', registry: { host: 'http://registry.internal.example:5000' } },
  { title: 'http.prefix', registry: { prefix: '/below/' } }
]

for (const { title, registry } of modes) {
  await eachRegistry(t, `Location stays on the gate: ${title}`, async (t, tool) => {
    const gate = await startGate(t, tool, { registry })
    const content = await image('location')
    // `push` fails on a Location that leaves the gate.
    await push(gate.url, 'team/app', 'v1', content)
    await pull(gate.url, 'team/app', 'v1', content)
    const mount = expectStatus(await request(gate.url, 'POST', `/v2/other/blobs/uploads/?mount=${content.config.digest}&from=team/app`), 201, 'mount')
    t.equal(new URL(header(mount, 'location')!, gate.url).href, `${gate.url}/v2/other/blobs/${content.config.digest}`)
    const put = await request(gate.url, 'PUT', '/v2/team/app/manifests/v2', { body: content.bytes, headers: { 'content-type': content.mediaType } })
    t.equal(new URL(header(put, 'location')!, gate.url).href, `${gate.url}/v2/team/app/manifests/${content.digest}`)
    await deleted(gate.url, '/v2/team/app')
  })
}

/** The `Location` of a new upload, asked for with these headers. */
async function uploadLocation (base: string, headers: Record<string, string>): Promise<string> {
  const answer = expectStatus(await request(base, 'POST', '/v2/app/blobs/uploads/', { headers }), 202, 'POST')
  const location = header(answer, 'location')!
  // A relative one stays where the client is, whatever that is.
  return location.startsWith('/') ? 'relative' : new URL(location).origin
}

await eachRegistry(t, 'Location follows Host, X-Forwarded-* and Forwarded, as the registry\'s own does', async (t, tool) => {
  // The answer goes to nobody but whoever sent the headers, so there is nothing to trust.
  const gate = await startGate(t, tool)
  const oneOf = (...origins: string[]) => (origin: string) => origin === 'relative' || origins.includes(origin)
  const check = async (t: Test, base: string, headers: Record<string, string>, ...origins: string[]) => {
    const origin = await uploadLocation(base, headers)
    t.ok(oneOf(...origins)(origin), `${JSON.stringify(headers)}: ${origin}`)
  }
  await check(t, gate.url, { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'hub.example.org' }, 'https://hub.example.org')
  await check(t, gate.url, { 'x-forwarded-proto': 'https', host: 'hub.example.org:8443' }, 'https://hub.example.org:8443')
  await check(t, gate.url, { forwarded: 'for=192.0.2.1;host=hub.example.org;proto=https' }, 'https://hub.example.org')
  await check(t, gate.url, { host: 'gate.example:5000' }, 'http://gate.example:5000')
})

/** What of an answer must be the same with and without Delgate. */
function essence ({ status, headers, body }: Answer): object {
  const names = ['content-type', 'content-length', 'content-range', 'docker-content-digest', 'docker-distribution-api-version', 'etag', 'link', 'range', 'accept-ranges', 'cache-control', 'www-authenticate', 'x-content-type-options', 'oci-subject', 'allow']
  return { status, headers: Object.fromEntries(names.map((name) => [name, headers[name]])), body: body.toString('base64') }
}

await eachRegistry(t, 'every standard request gives what it gives without Delgate', async (t, tool) => {
  const [gate, bare] = [await startGate(t, tool), await startRegistry(t, tool)]
  const single = await image('single')
  const multi = await multiArchitecture('multi')
  for (const { url } of [gate, bare]) {
    await push(url, 'team/app', ['v1', 'v2', 'v3'], single)
    await push(url, 'other', 'multi', multi)
  }
  const [layer] = single.layers
  const accept = { accept: ACCEPT_ALL }
  const asked: ReadonlyArray<readonly [string, string, Record<string, string>?]> = [
    ['GET', '/v2/'], ['HEAD', '/v2/'], ['GET', '/v2'], ['GET', '/v2/_catalog'], ['GET', '/v2/_catalog?n=1'], ['GET', '/v2/_catalog?n=1&last=other'], ['GET', '/v2/_catalog?n=abc'],
    ['GET', '/v2/team/app/tags/list'], ['GET', '/v2/team/app/tags/list?n=2'], ['GET', '/v2/team/app/tags/list?n=2&last=v1'], ['GET', '/v2/none/tags/list'],
    ['GET', '/v2/team/app/manifests/v1', accept], ['HEAD', '/v2/team/app/manifests/v1', accept], ['GET', `/v2/team/app/manifests/${single.digest}`, accept],
    ['GET', '/v2/team/app/manifests/v1', { ...accept, 'if-none-match': `"${single.digest}"` }], ['GET', '/v2/team/app/manifests/none', accept], ['GET', '/v2/other/manifests/multi'],
    ['GET', '/v2/other/manifests/multi', accept], ['GET', `/v2/team/app/blobs/${layer!.digest}`], ['HEAD', `/v2/team/app/blobs/${layer!.digest}`],
    ['GET', `/v2/team/app/blobs/${layer!.digest}`, { range: 'bytes=5-20' }], ['GET', `/v2/team/app/blobs/${layer!.digest}`, { range: 'bytes=-7' }],
    ['GET', `/v2/team/app/blobs/${layer!.digest}`, { 'accept-encoding': 'gzip' }],
    ['GET', `/v2/team/app/blobs/sha256:${'b'.repeat(64)}`], ['GET', '/v2/team/app/blobs/sha256:x'], ['GET', '/v2/Team/manifests/v1'], ['GET', '/v2/nothing/here'],
    ['PATCH', '/v2/team/app/blobs/uploads/none'], ['PUT', '/v2/team/app/manifests/bad', { 'content-type': single.mediaType }], ['POST', '/v2/team/app/manifests/v1'], ['OPTIONS', '/v2/']
  ]
  for (const [method, path, headers] of asked) {
    const [through, direct] = await Promise.all([gate, bare].map(async ({ url }) => essence(await request(url, method, path, { headers }))))
    t.same(through, direct, `${method} ${path} ${JSON.stringify(headers ?? {})}`)
  }
  // The body is left alone here: 2.8 announces the whole blob with a 416, and then closes the connection.
  const beyond = await Promise.all([gate, bare].map(({ url }) => open(url, 'GET', `/v2/team/app/blobs/${layer!.digest}`, { headers: { range: 'bytes=999999999-' } })))
  for (const answer of beyond) answer.on('error', () => {}).destroy()
  t.same(beyond.map(({ statusCode }) => statusCode), [416, 416])
})

await eachRegistry(t, 'keep-alive: many requests share one connection, deletions among them', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('keep-alive')
  await push(gate.url, 'app', ['v1', 'v2'], content)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const ports = new Set<number | undefined>()
  for (const [method, path] of [['GET', '/v2/'], ['GET', '/v2/app/manifests/v1'], ['GET', '/v2/app/manifests/none'], ['DELETE', '/v2/app/manifests/v1'], ['DELETE', '/v2/app/manifests/none'], ['GET', '/delgate/v1/status'], ['HEAD', `/v2/app/blobs/${content.config.digest}`], ['HEAD', `/v2/app/blobs/sha256:${'0'.repeat(64)}`], ['GET', '/v2/']] as const) {
    const answer = await open(gate.url, method, path, { agent })
    ports.add(answer.socket.localPort)
    await read(answer)
  }
  t.equal(ports.size, 1)
})

await eachRegistry(t, 'oversized heads and bodies, and nonsense on Delgate\'s own routes, are clear 4xx', async (t, tool) => {
  const gate = await startGate(t, tool)
  const big = Buffer.alloc(1_000_000, 'a')
  const asked: ReadonlyArray<readonly [string, string, Record<string, string>, (Buffer | string)?]> = [
    ['POST', '/delgate/v1/collections', { 'content-type': 'application/json' }, big],
    ['POST', '/delgate/v1/collections', { 'content-type': 'application/json' }, '{"untagged":'],
    ['POST', '/delgate/v1/collections', { 'content-type': 'application/json' }, '{"untagged":"yes"}'],
    ['POST', '/delgate/v1/collections', { 'content-type': 'application/json' }, '{"unknown":true}'],
    ['POST', '/delgate/v1/collections', { 'content-type': 'application/json' }, '[]'],
    ['GET', '/delgate/v1/jobs/none', {}], ['GET', '/delgate/v1/jobs/..%2f..%2fetc%2fpasswd', {}], ['GET', '/delgate/v1/jobs/%00', {}], ['GET', '/delgate/v1/none', {}],
    ['POST', '/delgate/v1/jobs/none/cancel', {}], ['DELETE', '/delgate/v1/repositories', {}], ['GET', '/nothing', {}],
    ['DELETE', '/v2/app/manifests/v1?dry-run=perhaps', {}], ['DELETE', '/v2/app?recursive=%zz', {}]
  ]
  for (const [method, path, headers, body] of asked) {
    const answer = await request(gate.url, method, path, { headers, body })
    t.ok(answer.status >= 400 && answer.status < 500, `${method} ${path}: ${answer.status}`)
    t.ok(ociError(answer).code, 'OCI JSON')
    t.notMatch(answer.body.toString(), new RegExp(`${gate.directory}|\\bat .+:\\d+:\\d+`), 'no path, no stack')
  }
  const head = await request(gate.url, 'GET', '/v2/', { headers: { 'x-big': 'a'.repeat(100_000) } })
  t.equal(head.status, 431)
  t.equal((await request(gate.url, 'GET', '/v2/')).status, 200, 'and it goes on')
})

await eachRegistry(t, 'a browser from an allowed origin may delete; from another it may not', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { cors: { origins: ['https://ui.example.org'] } } })
  const content = await image('cors')
  await push(gate.url, 'app', 'v1', content)
  const preflight = { origin: 'https://ui.example.org', 'access-control-request-method': 'DELETE', 'access-control-request-headers': 'authorization' }
  const answer = await request(gate.url, 'OPTIONS', '/v2/app/manifests/v1', { headers: preflight })
  t.ok([200, 204].includes(answer.status))
  t.equal(header(answer, 'access-control-allow-origin'), 'https://ui.example.org')
  t.match(header(answer, 'access-control-allow-methods'), /\bDELETE\b/)
  t.match(header(answer, 'access-control-allow-headers'), /authorization/i)
  const got = await request(gate.url, 'GET', '/v2/app/manifests/v1', { headers: { origin: 'https://ui.example.org', accept: ACCEPT_ALL } })
  t.match(header(got, 'access-control-expose-headers'), /docker-content-digest/i)
  const foreign = await request(gate.url, 'OPTIONS', '/v2/app/manifests/v1', { headers: { ...preflight, origin: 'https://evil.example' } })
  t.notOk(header(foreign, 'access-control-allow-origin'))
})

await eachRegistry(t, 'any origin may look and bring credentials of its own, but not use those that a browser remembers', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { cors: { origins: ['*'] } } })
  const from = { origin: 'https://anywhere.example' }
  const preflight = await request(gate.url, 'OPTIONS', '/v2/app/manifests/v1', { headers: { ...from, 'access-control-request-method': 'DELETE', 'access-control-request-headers': 'authorization' } })
  t.match(header(preflight, 'access-control-allow-headers'), /authorization/i)
  for (const answer of [preflight, await request(gate.url, 'GET', '/v2/', { headers: from })]) {
    t.equal(header(answer, 'access-control-allow-origin'), '*')
    t.notOk(header(answer, 'access-control-allow-credentials'))
  }
  t.equal((await request(gate.url, 'POST', '/delgate/v1/collections', { headers: from })).status, 403, 'a browser asks this without a preflight')
})

await eachRegistry(t, 'many uploads are listed nowhere, and an upload can be asked for and cancelled', async (t, tool) => {
  const gate = await startGate(t, tool)
  const location = await beginUpload(gate.url, 'app')
  t.equal((await request(gate.url, 'GET', location)).status, 204)
  t.equal((await request(gate.url, 'DELETE', location)).status, 204, 'the registry\'s own answer')
  t.equal((await request(gate.url, 'GET', location)).status, 404)
  t.type(json(await request(gate.url, 'GET', '/delgate/v1/status')), 'object')
})

await eachRegistry(t, 'a body is passed on as it is, whatever its type is called', async (t, tool) => {
  const gate = await startGate(t, tool)
  for (const type of ['text/plain', 'application/json', 'blob', '', 'text/plain; charset=latin1']) {
    const blob = blobOf(Buffer.concat([Buffer.alloc(100_000, 0xff), Buffer.from(type)]))
    const location = await beginUpload(gate.url, 'app')
    const answer = await request(gate.url, 'PUT', `${location}${location.includes('?') ? '&' : '?'}digest=${blob.digest}`, { headers: { 'content-type': type }, body: blob.bytes })
    t.equal(answer.status, 201, `content-type "${type}": ${answer.body.toString()}`)
    await pullBlob(gate.url, 'app', blob)
  }
})

await eachRegistry(t, 'headers that are only for one connection are not passed on', async (t, tool) => {
  const gate = await startGate(t, tool)
  for (const headers of [{ upgrade: 'h2c' }, { 'keep-alive': 'timeout=5' }]) t.equal((await request(gate.url, 'GET', '/v2/', { headers })).status, 200, JSON.stringify(headers))
})
