/** Traces: a request goes on with its client's trace, tells the registry of it, and its job is part of it. */
import t, { type Test } from 'tap'
import { push } from '../support/client.js'
import { startGate, startWrappedGate } from '../support/delgate.js'
import { expectStatus, request } from '../support/http.js'
import { ACCEPT_ALL, image } from '../support/images.js'
import { startGuarded } from '../support/interleaving.js'
import { del, deleted, jobEnded, receiptOf } from '../support/jobs.js'
import { keptLog } from '../support/log.js'
import { startCollector, type Collector } from '../support/otlp.js'
import { REGISTRY_PAIR } from '../support/pairs.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'
const TRACED = { headers: { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: 'vendor=1', 'user-agent': 'tracing-test' } }

/** Sets variables until the test ends; the files of tests are processes of their own. */
function environment (t: Test, variables: Readonly<Record<string, string>>): void {
  const others = Object.keys(process.env).filter(name => name.startsWith('OTEL_'))
  const before = Object.fromEntries([...others, ...Object.keys(variables)].map(name => [name, process.env[name]]))
  for (const name of others) delete process.env[name]
  Object.assign(process.env, variables)
  t.teardown(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })
}

async function collector (t: Test, variables: Readonly<Record<string, string>> = {}): Promise<Collector> {
  const started = await startCollector(t)
  environment(t, { OTEL_EXPORTER_OTLP_ENDPOINT: started.url, OTEL_BSP_SCHEDULE_DELAY: '20', ...variables })
  return started
}

await eachRegistry(t, 'a deletion, its job and its phases are in the trace of the client, and the registry is told of it', async (t, tool) => {
  const spans = await collector(t)
  const gate = await startGuarded(t, tool)
  await push(gate.url, 'team/app', 'v1', await image('goes'))
  const answer = expectStatus(await del(gate.url, '/v2/team/app/manifests/v1', TRACED), 202, 'DELETE')
  const job = await jobEnded(gate.url, answer)
  const receipt = receiptOf(job)

  const [whole] = await spans.received('the span of the job', ({ name, traceId }) => name === 'job delete' && traceId === TRACE)
  const [asking] = await spans.received('the span of the request', ({ kind, traceId }) => kind === 2 && traceId === TRACE)
  t.equal(asking!.name, 'DELETE /v2/{name}/manifests/{reference}')
  t.equal(asking!.parentSpanId, PARENT)
  t.match(asking!.attributes, {
    'http.request.method': 'DELETE',
    'http.route': '/v2/{name}/manifests/{reference}',
    'http.response.status_code': 202,
    'url.path': '/v2/team/app/manifests/v1',
    'url.scheme': 'http',
    'server.address': '127.0.0.1',
    'server.port': Number(new URL(gate.url).port),
    'client.address': '127.0.0.1',
    'user_agent.original': 'tracing-test'
  })
  t.match(asking!.resource, { 'service.name': 'delgate', 'service.version': /^\d+\.\d+/ })

  t.equal(whole!.parentSpanId, asking!.spanId, 'the request asked for it')
  t.match(whole!.attributes, { 'delgate.job.id': job.id, 'delgate.job.state': 'done', 'delgate.target.type': 'tag', 'delgate.target.repository': 'team/app', 'delgate.freed_bytes': receipt.bytesFreed })
  const phases = (await spans.received('the phases', ({ name, parentSpanId }) => name.startsWith('phase ') && parentSpanId === whole!.spanId, 4)).sort((a, b) => Number(a.start - b.start))
  t.same(phases.map(({ name }) => name), ['phase unlink', 'phase waiting', 'phase scan', 'phase collect'])
  for (const [at, { start, end, traceId }] of phases.entries()) {
    t.equal(traceId, TRACE)
    t.ok(start <= end && start >= whole!.start && end <= whole!.end, 'within the job')
    if (at > 0) t.ok(start >= phases[at - 1]!.end - 1_000_000n, 'one after the other')
  }
  t.notOk('traceparent' in job, 'it is not shown')

  const asked = gate.door.log.find(({ method, path }) => method === 'DELETE' && path.startsWith('/v2/team/app/manifests/'))!
  t.equal(asked.headers['traceparent'], `00-${TRACE}-${asking!.spanId}-01`, 'the registry was asked whether it may, in the same trace')
})

await eachRegistry(t, 'what is passed on carries the trace of the client, or a new one; the query is not told', async (t, tool) => {
  const spans = await collector(t)
  const gate = await startGuarded(t, tool)
  await push(gate.url, 'team/app', 'v1', await image('stays'))
  expectStatus(await request(gate.url, 'GET', '/v2/team/app/tags/list?n=5', TRACED), 200, 'GET')
  const [continued] = await spans.received('the span', ({ traceId }) => traceId === TRACE)
  t.equal(continued!.name, 'GET /v2/{name}/tags/list')
  t.equal(continued!.attributes['url.path'], '/v2/team/app/tags/list')
  const passed = gate.door.log.find(({ path }) => path === '/v2/team/app/tags/list?n=5')!
  t.equal(passed.headers['traceparent'], `00-${TRACE}-${continued!.spanId}-01`)
  t.equal(passed.headers['tracestate'], 'vendor=1')

  expectStatus(await request(gate.url, 'HEAD', '/v2/team/app/manifests/none'), 404, 'HEAD')
  const [own] = await spans.received('the span', ({ name, attributes }) => name === 'HEAD /v2/{name}/manifests/{reference}' && attributes['url.path'] === '/v2/team/app/manifests/none')
  t.equal(own!.parentSpanId ?? '', '')
  t.equal(gate.door.log.find(({ path }) => path === '/v2/team/app/manifests/none')!.headers['traceparent'], `00-${own!.traceId}-${own!.spanId}-01`)
  t.equal(own!.status, 0, 'that something does not exist is no error of the server')

  expectStatus(await request(gate.url, 'GET', '/delgate/v1/jobs/none'), 404, 'GET job')
  await spans.received('the own interface', ({ name }) => name === 'GET /delgate/v1/jobs/:id')
  expectStatus(await request(gate.url, 'GET', '/v2/team/app/manifests/v1', { headers: { traceparent: 'nonsense', accept: ACCEPT_ALL } }), 200, 'GET')
  await spans.received('a trace of its own where the client\'s is none', ({ attributes }) => attributes['url.path'] === '/v2/team/app/manifests/v1' && attributes['http.request.method'] === 'GET')
  t.notOk(JSON.stringify(spans.spans.map(({ attributes }) => attributes)).includes('n=5'))
})

await eachRegistry(t, 'a job that fails, and one that goes on after a new start, in the same trace', async (t, tool) => {
  const spans = await collector(t)
  const gate = await startWrappedGate(t, tool, { settings: { collection: { ...REGISTRY_PAIR.collection, attempts: 2 } } })
  await push(gate.url, 'app', ['v1', 'v2'], await image('goes'))
  await push(gate.url, 'app', 'v3', await image('goes too'))
  await gate.wrapper.on('collect-fails')
  const failing = await jobEnded(gate.url, expectStatus(await del(gate.url, '/v2/app/manifests/v3', TRACED), 202, 'DELETE'))
  t.equal(failing.state, 'failed')
  const [failed] = await spans.received('the job that failed', ({ name }) => name === 'job delete')
  t.equal(failed!.status, 2)
  t.equal(failed!.attributes['delgate.job.state'], 'failed')
  await gate.wrapper.off('collect-fails')

  await gate.wrapper.on('collect-waits')
  const before = (await gate.wrapper.calls()).collect
  const other = '11111111111111111111111111111111'
  expectStatus(await del(gate.url, '/v2/app', { headers: { traceparent: `00-${other}-${PARENT}-01` } }), 202, 'DELETE')
  await until('the collector runs', async () => (await gate.wrapper.calls()).collect > before)
  await gate.close()
  await gate.wrapper.off('collect-waits')
  const [interrupted] = await spans.received('as far as it came', ({ name, traceId }) => name === 'job delete' && traceId === other)
  t.equal(interrupted!.attributes['delgate.job.state'], 'interrupted')
  await startGate(t, tool, { files: gate, settings: { collection: REGISTRY_PAIR.collection } })
  const jobs = await spans.received('the rest', ({ name, traceId }) => name === 'job delete' && traceId === other, 2)
  t.equal(jobs[1]!.attributes['delgate.job.state'], 'done')
  t.equal(jobs[1]!.parentSpanId, interrupted!.parentSpanId)
})

await eachRegistry(t, 'nothing is traced unless it is asked for, or where it is switched off', async (t, tool) => {
  const spans = await startCollector(t)
  const switched: Array<Record<string, string>> = [{}, { OTEL_EXPORTER_OTLP_ENDPOINT: spans.url, OTEL_SDK_DISABLED: 'true' }, { OTEL_EXPORTER_OTLP_ENDPOINT: spans.url, OTEL_TRACES_EXPORTER: 'none' }]
  for (const variables of switched) {
    await t.test(JSON.stringify(Object.keys(variables)), async t => {
      environment(t, { OTEL_BSP_SCHEDULE_DELAY: '20', ...variables })
      const gate = await startGuarded(t, tool)
      await push(gate.url, 'app', 'v1', await image('goes'))
      await deleted(gate.url, '/v2/app/manifests/v1')
      expectStatus(await request(gate.url, 'GET', '/v2/app/tags/list', TRACED), 404, 'GET')
      t.equal(gate.door.log.find(({ headers }) => headers['user-agent'] === 'tracing-test')!.headers['traceparent'], TRACED.headers.traceparent, 'the client\'s own goes through')
      t.ok(gate.door.log.filter(({ headers }) => headers['user-agent'] !== 'tracing-test').every(({ headers }) => headers['traceparent'] === undefined))
      await gate.close()
    })
  }
  t.same(spans.requests, [])
})

await eachRegistry(t, 'a collector that is away harms nobody, and is said once', async (t, tool) => {
  const spans = await collector(t)
  spans.answer = 400
  const log = keptLog()
  const gate = await startGate(t, tool, { app: { logger: log.logger } })
  await push(gate.url, 'app', 'v1', await image('stays'))
  await until('several were refused', async () => { await request(gate.url, 'GET', '/v2/'); return spans.requests.length >= 3 })
  await until('it is said', async () => { await request(gate.url, 'GET', '/v2/'); return log.said(/traces cannot be sent/).length > 0 })
  spans.answer = 200
  await until('it is said, too', async () => { await request(gate.url, 'GET', '/v2/'); return log.said(/traces can be sent again/).length > 0 })
  t.equal(log.said(/traces cannot be sent/).length, 1)
})
