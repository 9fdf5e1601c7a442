/** Notifications: the registry's own envelope, delivered in order, whatever the endpoint does. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { addToReceipt, EMPTY_RECEIPT } from '../../src/deletion/receipt.js'
import { envelopesOf, eventsOf, type Deletion } from '../../src/notifications/events.js'
import { Notifier, type NotifierSettings } from '../../src/notifications/notifier.js'
import { pauseSeconds } from '../../src/notifications/pause.js'
import type { Endpoint } from '../../src/notifications/post.js'
import { startReceiver } from '../support/receiver.js'
import { freePort, temporaryDirectory, until } from '../support/temporary.js'
import { APP, d, tag } from './repository.js'

const SECRET = 'do-not-tell'
const source = { addr: 'delgate.example', instanceID: 'instance' }

function deletion (job: string, change: Partial<Deletion> = {}, tags: readonly string[] = ['v1']): Deletion {
  const receipt = addToReceipt(EMPTY_RECEIPT, { tags: tags.map(name => ({ repository: APP, tag: tag(name), digest: d('m') })) })
  return { job, at: '2026-01-31T12:00:00.000Z', receipt, asker: {}, ...change }
}

interface Lines { readonly level: 'info' | 'warn', readonly details: object, readonly message: string }

async function opened (t: Test, endpoints: ReadonlyArray<Partial<Endpoint> & { url: string }>, change: Partial<NotifierSettings> = {}, directory?: string): Promise<{ notifier: Notifier, lines: Lines[], directory: string }> {
  const lines: Lines[] = []
  const log = { info: (details: object, message: string) => { lines.push({ level: 'info', details, message }) }, warn: (details: object, message: string) => { lines.push({ level: 'warn', details, message }) } }
  const where = directory ?? join(await temporaryDirectory(t), 'notifications')
  const settings = { endpoints: endpoints.map((endpoint, at) => ({ name: `e${at}`, header: 'Authorization', timeoutSeconds: 10, ...endpoint })), queueMaximum: 1000, retryMaximumSeconds: 0.02, ...change }
  const notifier = await Notifier.open(settings, { directory: where, log, source })
  t.teardown(async () => { await notifier.close() })
  return { notifier, lines, directory: where }
}

const jobOf = ({ envelope }: { envelope: { events: ReadonlyArray<{ request: { id: string } }> } }): string => envelope.events[0]!.request.id

/** In which order they were posted, however often each was tried. */
const orderOf = (posted: ReadonlyArray<Parameters<typeof jobOf>[0]>): string[] => posted.map(jobOf).filter((job, at, all) => job !== all[at - 1])

t.test('one event for each tag and each manifest, as the registry words them', t => {
  const receipt = addToReceipt(EMPTY_RECEIPT, { tags: [{ repository: APP, tag: tag('v1'), digest: d('m') }], manifests: [{ repository: APP, digest: d('m') }], layerLinks: [{ repository: APP, digest: d('l') }], blobs: [{ digest: d('b'), bytes: 7 }] })
  const asker = { request: 'r-1', user: 'alice', address: '10.0.0.7', host: 'registry.example:5000', method: 'DELETE', agent: 'crane/0.20' }
  const events = eventsOf({ job: 'j-1', at: '2026-01-31T12:00:00.000Z', receipt, asker, base: 'https://registry.example' }, source)
  const common = { timestamp: '2026-01-31T12:00:00.000Z', action: 'delete', request: { id: 'r-1', addr: '10.0.0.7', host: 'registry.example:5000', method: 'DELETE', useragent: 'crane/0.20' }, actor: { name: 'alice' }, source }
  t.same(events.map(({ id: _, ...event }) => event), [
    { ...common, target: { repository: 'team/app', tag: 'v1' } },
    { ...common, target: { repository: 'team/app', digest: d('m'), url: `https://registry.example/v2/team/app/manifests/${d('m')}` } }
  ])
  t.same(eventsOf(deletion('j-2'), source).map(({ request, actor }) => ({ request, actor })), [{ request: { id: 'j-2', method: 'DELETE', useragent: '' }, actor: {} }], 'nobody is known')
  t.same(eventsOf(deletion('j', {}, []), source), [])
  t.end()
})

t.test('ids are UUIDs, the same for the same and others for others', t => {
  const ids = (job: string): string[] => eventsOf(deletion(job, {}, Array.from({ length: 200 }, (_, at) => `t${at}`)), source).map(({ id }) => id)
  t.same(ids('1'), ids('1'))
  t.equal(new Set([...ids('1'), ...ids('2')]).size, 400)
  for (const id of ids('1')) t.match(id, /^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
  t.end()
})

t.test('envelopes are bounded, and hold every event once', t => {
  const events = eventsOf(deletion('1', {}, Array.from({ length: 250 }, (_, at) => `t${at}`)), source)
  t.same(envelopesOf(events).map(({ events }) => events.length), [100, 100, 50])
  t.same(envelopesOf(events).flatMap(({ events }) => events), events)
  t.same(envelopesOf([]), [])
  t.end()
})

t.test('pauses double up to the longest', t => {
  t.same([1, 2, 3, 4, 9, 10, 5000].map(failures => pauseSeconds(failures, 300)), [1, 2, 4, 8, 256, 300, 300])
  t.equal(pauseSeconds(1, 0.5), 0.5)
  t.end()
})

t.test('every endpoint gets the envelope, with its own secret in its own header', async t => {
  const [first, second, third] = [await startReceiver(t), await startReceiver(t), await startReceiver(t)]
  const { notifier, directory } = await opened(t, [{ url: `${first.url}/hook?a=b`, secret: SECRET }, { url: second.url, secret: SECRET, header: 'X-Token' }, { url: third.url }])
  await notifier.notify(deletion('1'))
  const [posted] = await first.received(1)
  t.match(posted, { method: 'POST', path: '/hook?a=b', headers: { 'content-type': 'application/vnd.docker.distribution.events.v2+json' } })
  t.equal(posted!.headers.authorization, `Bearer ${SECRET}`)
  t.same(posted!.envelope, { events: eventsOf(deletion('1'), source) })
  t.equal((await second.received(1))[0]!.headers['x-token'], SECRET, 'as it is')
  t.equal(second.posted[0]!.path, '/')
  t.equal(second.posted[0]!.headers.authorization, undefined)
  t.equal((await third.received(1))[0]!.headers.authorization, undefined)
  await until('all queues are empty', () => notifier.endpoints.every(({ waiting, delivered }) => waiting === 0 && delivered === 1), 20_000, 5)
  for (const name of ['e0', 'e1', 'e2']) t.same(await readdir(join(directory, name)), [])
})

t.test('nothing but 2xx and 3xx is acceptance; it is tried again, in order, and said once', async t => {
  const receiver = await startReceiver(t)
  const { notifier, lines } = await opened(t, [{ url: receiver.url, secret: SECRET }])
  receiver.answer = 500
  for (const job of ['1', '2', '3']) await notifier.notify(deletion(job))
  await receiver.received(3)
  for (const status of [404, 401, 429]) {
    receiver.answer = status
    await receiver.received(receiver.posted.length + 2)
  }
  t.same([...new Set(receiver.posted.map(jobOf))], ['1'], 'none overtakes the first')
  t.match(notifier.endpoints, [{ waiting: 3, delivered: 0, problem: 'it answered 429' }])
  receiver.answer = 302
  await until('all are accepted', () => notifier.endpoints[0]!.waiting === 0, 20_000, 5)
  t.same(orderOf(receiver.posted), ['1', '2', '3'])
  t.same(receiver.posted.filter(({ path }) => path !== '/'), [], 'a redirection is not followed')
  t.same(lines.map(({ level, message }) => `${level} ${message}`), ['warn notifications cannot be delivered; they wait, and it is tried again', 'info notifications are delivered again'])
  t.equal(notifier.endpoints[0]!.problem, undefined)
})

t.test('one that does not answer, hangs up, or is not there', async t => {
  const receiver = await startReceiver(t)
  const { notifier, lines } = await opened(t, [{ url: receiver.url, secret: SECRET, timeoutSeconds: 0.05 }, { url: `http://127.0.0.1:${await freePort()}/${SECRET}`, secret: SECRET }])
  receiver.answer = () => {}
  await notifier.notify(deletion('1'))
  await until('it was noticed', () => notifier.endpoints[0]!.problem === 'it did not answer in time', 20_000, 5)
  receiver.answer = response => { response.socket!.destroy() }
  await until('that too', () => notifier.endpoints[0]!.problem === 'UND_ERR_SOCKET', 20_000, 5)
  await until('the other too', () => notifier.endpoints[1]!.problem === 'ECONNREFUSED', 20_000, 5)
  receiver.answer = response => { response.writeHead(202).write('and so on, without an end') }
  await until('an answer counts, however long it goes on', () => notifier.endpoints[0]!.waiting === 0, 20_000, 5)
  t.equal(notifier.endpoints[1]!.waiting, 1, 'the one does not wait for the other')
  t.notMatch(JSON.stringify([lines, notifier.endpoints]), new RegExp(SECRET))
})

t.test('closing is at once, during an attempt and during a pause, and the next process delivers', async t => {
  const receiver = await startReceiver(t)
  const slow = { url: receiver.url, timeoutSeconds: 1000 }
  receiver.answer = () => {}
  const first = await opened(t, [slow], { retryMaximumSeconds: 1000 })
  await first.notifier.notify(deletion('1'))
  await receiver.received(1)
  await first.notifier.close()
  receiver.answer = 500
  const second = await opened(t, [slow], { retryMaximumSeconds: 1000 }, first.directory)
  await second.notifier.notify(deletion('2'))
  await until('it failed', () => second.notifier.endpoints[0]!.problem, 20_000, 5)
  await second.notifier.close()
  t.equal((await readdir(join(first.directory, 'e0'))).length, 2)
  receiver.answer = 200
  const { notifier } = await opened(t, [slow], {}, first.directory)
  await until('all are delivered', () => notifier.endpoints[0]!.delivered === 2, 20_000, 5)
  // Once by each of the three at least; the second may have tried again before it was closed.
  t.ok(receiver.posted.map(jobOf).filter(job => job === '1').length >= 3)
  t.same(orderOf(receiver.posted), ['1', '2'])
})

t.test('a full queue loses the oldest, with a warning', async t => {
  const receiver = await startReceiver(t)
  receiver.answer = 503
  const { notifier, lines } = await opened(t, [{ url: receiver.url }], { queueMaximum: 2 })
  for (const job of ['1', '2', '3', '4']) await notifier.notify(deletion(job))
  t.match(notifier.endpoints, [{ waiting: 2, dropped: 2, lost: 0 }])
  t.equal(lines.filter(({ message }) => message.startsWith('the queue of notifications is full')).length, 1)
  receiver.answer = 204
  await until('the others are delivered', () => notifier.endpoints[0]!.waiting === 0, 20_000, 5)
  t.same(receiver.posted.map(jobOf).slice(-2), ['3', '4'])
})

t.test('a disk that takes nothing: notify does not reject, and the loss is counted and said once', async t => {
  const receiver = await startReceiver(t)
  const directory = join(await temporaryDirectory(t), 'notifications')
  const { notifier, lines } = await opened(t, [{ url: receiver.url }], {}, directory)
  await writeFile(directory, 'a file where the directory should be')
  for (const job of ['1', '2']) await notifier.notify(deletion(job))
  t.match(notifier.endpoints, [{ waiting: 0, lost: 2 }])
  t.same(lines.map(({ message, details }) => ({ message, details })), [{ message: 'notifications cannot be queued and are lost', details: { endpoint: 'e0', code: 'ENOTDIR' } }])
})

t.test('what is being queued at the end is in the queue before that', async t => {
  const { notifier, directory } = await opened(t, [{ url: `http://127.0.0.1:${await freePort()}` }])
  const telling = [notifier.notify(deletion('1', {}, Array.from({ length: 1950 }, (_, at) => `v${at}`))), notifier.notify(deletion('2'))]
  await notifier.close()
  t.equal((await readdir(join(directory, 'e0'))).length, 21)
  await Promise.all(telling)
})

t.test('without endpoints nothing is done', async t => {
  const directory = await temporaryDirectory(t)
  const { notifier } = await opened(t, [], {}, directory)
  await notifier.notify(deletion('1'))
  await mkdir(join(directory, 'x'))
  t.same(await readdir(directory), ['x'])
  t.same(notifier.endpoints, [])
})

t.test('what waits for an endpoint that is not configured any more is said at the start, and goes out when it is again', async t => {
  const receiver = await startReceiver(t)
  const gone = `http://127.0.0.1:${await freePort()}`
  const { notifier, directory } = await opened(t, [{ url: gone }])
  await notifier.notify(deletion('1'))
  await notifier.close()
  await mkdir(join(directory, 'empty'))
  const { notifier: without, lines } = await opened(t, [{ name: 'other', url: receiver.url }], {}, directory)
  t.match(lines, [{ level: 'warn', details: { endpoint: 'e0', waiting: 1, directory: join(directory, 'e0') }, message: /not configured any more/ }])
  t.notOk((await readdir(directory)).includes('empty'), 'an empty queue goes')
  await without.close()
  await opened(t, [{ url: receiver.url }], {}, directory)
  t.equal(jobOf((await receiver.received(1))[0]!), '1')
})
