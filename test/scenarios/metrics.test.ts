/** What `/metrics` says of what happens: each value moves as it should, and by as much. */
import t from 'tap'
import { pull, push } from '../support/client.js'
import { startGate, startWrappedGate } from '../support/delgate.js'
import { basic, expectStatus, header, json, open, request, start } from '../support/http.js'
import { blobsOf, digestsOf, image } from '../support/images.js'
import { del, deleteAndWait, deleted, jobEnded, receiptOf } from '../support/jobs.js'
import { scrape } from '../support/metrics.js'
import { ONLINE_PAIR, REGISTRY_PAIR } from '../support/pairs.js'
import { startReceiver } from '../support/receiver.js'
import { until } from '../support/temporary.js'
import { eachRegistry } from '../support/tools.js'

await eachRegistry(t, 'a push, a pull and a deletion move what they should, by as much as they should', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { collection: ONLINE_PAIR.collection } })
  const stays = await image('stays')
  await push(gate.url, 'secret-team/app', 'v1', stays)
  const before = await until('the index is complete', async () => { const now = await scrape(gate.url); return now.value('delgate_index_complete') === 1 && now })
  const content = await image('goes')
  await push(gate.url, 'secret-team/app', 'v2', content)
  await pull(gate.url, 'secret-team/app', 'v2', content)
  const pushed = await scrape(gate.url)
  const receipt = await deleted(gate.url, '/v2/secret-team/app/manifests/v2')
  expectStatus(await request(gate.url, 'GET', '/v2/secret-team/app/manifests/v2'), 404, 'GET')
  expectStatus(await request(gate.url, 'GET', '/nothing'), 404, 'GET')
  const after = await scrape(gate.url)
  const moved = (name: string, labels = {}): number => after.value(name, labels) - before.value(name, labels)

  t.ok(receipt.bytesFreed > 0)
  t.equal(moved('delgate_freed_bytes_total', { source: 'job' }), receipt.bytesFreed)
  t.equal(moved('delgate_freed_bytes_total', { source: 'trash' }), 0)
  t.equal(moved('delgate_jobs_ended_total', { kind: 'delete', state: 'done' }), 1)
  t.equal(moved('delgate_jobs', { state: 'done' }), 1)
  t.equal(moved('delgate_collections_total', { outcome: 'collected' }), 1)
  t.equal(moved('delgate_collection_phase_duration_seconds_count', { phase: 'collect' }), 1)
  t.ok(moved('delgate_collection_phase_duration_seconds_sum', { phase: 'collect' }) > 0)
  t.ok(moved('delgate_evictions_total', { outcome: 'forgotten' }) >= blobsOf(content).length, 'the registry was told to forget')
  t.equal(moved('delgate_evictions_total', { outcome: 'failed' }), 0)
  t.equal(pushed.value('delgate_index_manifests') - before.value('delgate_index_manifests'), 1)
  t.equal(moved('delgate_index_manifests'), 0)

  const requests = (route: string, code: string): number => moved('delgate_http_requests_total', { route, code })
  t.equal(requests('manifest-write', '2xx'), 1)
  t.equal(requests('manifest-read', '2xx'), 2)
  t.equal(requests('manifest-read', '4xx'), 1)
  t.equal(requests('blob-check', '4xx'), blobsOf(content).length)
  t.equal(requests('upload', '2xx'), 3 * blobsOf(content).length, 'each was begun, sent and ended')
  t.equal(requests('blob-read', '2xx'), blobsOf(content).length)
  t.equal(requests('delete', '2xx'), 1)
  t.equal(requests('other', '4xx'), 1)
  t.ok(requests('interface', '2xx') > 0, 'the job was looked at')
  t.equal(requests('metrics', '2xx'), 2)
  t.equal(moved('delgate_http_request_duration_seconds_count', { route: 'blob-read' }), blobsOf(content).length)
  t.equal(moved('delgate_claim_wait_duration_seconds_count'), 4 * blobsOf(content).length + 1, 'every request of the push made one')
  t.equal(after.value('delgate_claims_waiting'), 0)

  t.equal(after.value('delgate_ready'), 1)
  t.equal(after.value('delgate_audit_writable'), 1)
  t.equal(after.value('delgate_build_info', { version: json<{ version: string }>(await request(gate.url, 'GET', '/delgate/v1/status')).version }), 1)
  for (const directory of ['storage', 'state']) t.ok(after.value('delgate_disk_size_bytes', { directory }) >= after.value('delgate_disk_available_bytes', { directory }))
  t.ok(after.value('delgate_disk_available_bytes', { directory: 'storage' }) > 0)
  t.ok(after.value('process_resident_memory_bytes') > 0, 'and what Node tells of the process')
  t.ok(after.types.has('nodejs_eventloop_lag_seconds'))
  for (const told of ['secret', ...digestsOf(stays, content).map(digest => digest.slice(7))]) t.notOk(after.text.includes(told), `nothing tells of ${told}`)
})

await eachRegistry(t, 'leases and pulls, while they last', async (t, tool) => {
  const gate = await startGate(t, tool)
  const content = await image('pulled')
  await push(gate.url, 'app', 'v1', content)
  t.equal((await scrape(gate.url)).value('delgate_leases'), 0)
  expectStatus(await request(gate.url, 'GET', '/v2/app/manifests/v1', { headers: { accept: content.mediaType } }), 200, 'GET')
  const pulling = await until('the pull is known', async () => { const now = await scrape(gate.url); return now.value('delgate_pulls') === 1 && now })
  t.equal(pulling.value('delgate_leases', { holder: 'pull' }), blobsOf(content).length)
  t.equal(pulling.value('delgate_leases', { holder: 'push' }), 0)
})

await eachRegistry(t, 'requests that are held, holds, and restarts', async (t, tool) => {
  const gate = await startWrappedGate(t, tool, { settings: { collection: { ...REGISTRY_PAIR.collection } } })
  await push(gate.url, 'app', 'v1', await image('goes'))
  await gate.wrapper.on('collect-waits')
  const deletion = expectStatus(await del(gate.url, '/v2/app/manifests/v1'), 202, 'DELETE')
  await until('the collector runs', async () => (await gate.wrapper.calls()).collect === 1)
  const held = request(gate.url, 'POST', '/v2/app/blobs/uploads/')
  const during = await until('it is held', async () => { const now = await scrape(gate.url); return now.value('delgate_held_requests') === 1 && now })
  t.equal(during.value('delgate_holds_total'), 1)
  t.ok(during.value('delgate_hold_lasts_seconds') > 0)
  t.ok(during.value('delgate_hold_seconds_total') >= during.value('delgate_hold_lasts_seconds'))
  t.equal(during.value('delgate_collection_running'), 1)
  t.equal(during.value('delgate_jobs', { state: 'running' }), 1)
  t.equal(during.value('delgate_held_request_duration_seconds_count'), 0)
  await gate.wrapper.off('collect-waits')
  receiptOf(await jobEnded(gate.url, deletion))
  expectStatus(await held, 202, 'POST')
  const after = await scrape(gate.url)
  t.equal(after.value('delgate_held_requests'), 0)
  t.equal(after.value('delgate_hold_lasts_seconds'), 0)
  t.equal(after.value('delgate_held_request_duration_seconds_count'), 1)
  t.ok(after.value('delgate_held_request_duration_seconds_sum') > 0)
  t.ok(after.value('delgate_hold_seconds_total') >= after.value('delgate_held_request_duration_seconds_sum') - 0.05)
  t.equal(after.value('delgate_registry_restarts_total', { outcome: 'done' }), 1)
  t.equal(after.value('delgate_registry_restarts_total', { outcome: 'failed' }), 0)
  for (const phase of ['scan', 'drain', 'collect', 'restart']) t.equal(after.value('delgate_collection_phase_duration_seconds_count', { phase }), 1, phase)
  t.equal(after.value('delgate_collection_running'), 0)
})

await eachRegistry(t, 'collections and jobs that fail', async (t, tool) => {
  const gate = await startWrappedGate(t, tool, { settings: { collection: { ...REGISTRY_PAIR.collection, attempts: 2 } } })
  await push(gate.url, 'app', 'v1', await image('goes'))
  await gate.wrapper.on('collect-fails')
  t.equal((await deleteAndWait(gate.url, '/v2/app/manifests/v1')).state, 'failed')
  const after = await scrape(gate.url)
  t.equal(after.value('delgate_collections_total', { outcome: 'failed' }), 2, 'it was tried twice')
  t.equal(after.value('delgate_jobs_ended_total', { state: 'failed' }), 1, 'the job failed once')
  t.equal(after.value('delgate_jobs', { state: 'failed' }), 1)
})

await eachRegistry(t, 'a registry that ends by itself', async (t, tool) => {
  const gate = await startWrappedGate(t, tool)
  t.equal((await scrape(gate.url)).value('delgate_ready'), 1)
  await gate.wrapper.on('serve-waits')
  await gate.wrapper.kill()
  const away = await until('it is noticed', async () => { const now = await scrape(gate.url); return now.value('delgate_registry_crashes_total') > 0 && now })
  t.equal(away.value('delgate_ready'), 0)
  t.ok(away.value('delgate_hold_lasts_seconds') > 0)
  await gate.wrapper.off('serve-waits')
  await until('it is back', async () => (await scrape(gate.url)).value('delgate_ready') === 1)
})

await eachRegistry(t, 'what the trash keeps, and what it gives back', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { trash: { keepFor: { tag: 1, manifest: 0, repository: 0, untagged: 0 } } } })
  await push(gate.url, 'app', 'v1', await image('kept'))
  const receipt = await deleted(gate.url, '/v2/app/manifests/v1')
  const kept = await scrape(gate.url)
  t.equal(kept.value('delgate_trash_jobs'), 1)
  t.equal(kept.value('delgate_trash_bytes'), receipt.bytesInTrash)
  t.equal(kept.value('delgate_freed_bytes_total', { source: 'job' }), receipt.bytesFreed)
  const { bytesFreed } = json<{ bytesFreed: number }>(expectStatus(await request(gate.url, 'POST', '/delgate/v1/trash/empty'), 200, 'POST empty'))
  const emptied = await scrape(gate.url)
  t.ok(bytesFreed > 0)
  t.equal(emptied.value('delgate_freed_bytes_total', { source: 'trash' }), bytesFreed)
  t.equal(emptied.value('delgate_trash_bytes'), 0)
})

await eachRegistry(t, 'a client that goes away, one that watches, and requests that run', async (t, tool) => {
  const gate = await startGate(t, tool)
  const { request: upload, promise } = start(gate.url, 'PUT', '/v2/app/manifests/v1', { headers: { 'content-length': '100' } })
  promise.catch(() => {})
  upload.flushHeaders()
  const running = await until('it is seen', async () => { const now = await scrape(gate.url); return now.value('delgate_forwarded_requests', { traffic: 'write' }) === 1 && now })
  t.equal(running.value('delgate_http_requests_total', { route: 'manifest-write' }), 0)
  upload.destroy()
  await until('its end is seen', async () => (await scrape(gate.url)).value('delgate_http_requests_total', { route: 'manifest-write', code: 'aborted' }) === 1)
  await push(gate.url, 'app', 'v1', await image('watched'))
  const answer = expectStatus(await del(gate.url, '/v2/app/manifests/v1'), 202, 'DELETE')
  await (await open(gate.url, 'GET', `${header(answer, 'location')}/events`)).toArray()
  await until('it was a watcher', async () => (await scrape(gate.url)).value('delgate_http_requests_total', { route: 'events', code: '2xx' }) === 1)
})

await eachRegistry(t, 'the log of decisions, and the queue of an endpoint that is away', async (t, tool) => {
  const receiver = await startReceiver(t)
  receiver.answer = 500
  const endpoints = [{ name: 'scanner', url: receiver.url, header: 'Authorization', timeoutSeconds: 5 }]
  const gate = await startGate(t, tool, { settings: { notifications: { endpoints } } })
  await push(gate.url, 'app', 'v1', await image('told'))
  await deleted(gate.url, '/v2/app/manifests/v1')
  const waiting = await until('it is queued', async () => { const now = await scrape(gate.url); return now.value('delgate_notification_queue_length', { endpoint: 'scanner' }) > 0 && now })
  t.equal(waiting.value('delgate_notifications_total', { endpoint: 'scanner', outcome: 'delivered' }), 0)
  receiver.answer = 200
  const told = await until('it is delivered', async () => { const now = await scrape(gate.url); return now.value('delgate_notifications_total', { endpoint: 'scanner', outcome: 'delivered' }) > 0 && now.value('delgate_notification_queue_length') === 0 && now })
  t.equal(told.value('delgate_notifications_total', { endpoint: 'scanner', outcome: 'delivered' }), waiting.value('delgate_notification_queue_length'))
  t.equal(told.value('delgate_audit_lost_lines_total'), 0)
})

await eachRegistry(t, 'who may read them, and that they can be switched off', async (t, tool) => {
  const open = await startGate(t, tool, { registry: { auth: 'htpasswd' } })
  expectStatus(await request(open.url, 'GET', '/delgate/v1/status'), 401, 'GET status')
  const text = expectStatus(await request(open.url, 'GET', '/metrics'), 200, 'GET')
  t.match(header(text, 'content-type'), /^text\/plain; version=0\.0\.4/)

  const closed = await startGate(t, tool, { registry: { auth: 'htpasswd' }, settings: { metrics: { access: 'interface' } } })
  const refused = expectStatus(await request(closed.url, 'GET', '/metrics'), 401, 'GET')
  t.match(header(refused, 'www-authenticate'), /^Basic /)
  t.notMatch(refused.body.toString(), /delgate_/)
  t.ok((await scrape(closed.url, { headers: basic('alice', 'wonderland') })).value('delgate_ready') === 1)

  const off = await startGate(t, tool, { settings: { metrics: { enabled: false } } })
  expectStatus(await request(off.url, 'GET', '/metrics'), 404, 'GET')
  await push(off.url, 'app', 'v1', await image('goes'))
  await deleted(off.url, '/v2/app/manifests/v1')
})
