/** A Redis that accepts connections and says nothing, as one that was stopped does: nobody waits for it for long. */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { parseDigest } from '../../src/oci/digest.js'
import { parseRepositoryName } from '../../src/oci/name.js'
import { RedisMemory } from '../../src/registry/redis-memory.js'

const APP = parseRepositoryName('app')!
const DIGEST = parseDigest(`sha256:${'a'.repeat(64)}`)!
/** How long Redis may take here, milliseconds. */
const LIMIT_MS = 300

interface FakeRedis { readonly url: string, silent: boolean, connections: number, commands: string[] }

/** Answers what the client of Redis says at the start, and what the memory asks for. */
async function fakeRedis (t: Test): Promise<FakeRedis> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    redis.connections++
    socket.on('error', () => {})
    socket.on('data', data => {
      if (redis.silent) return
      for (const [, name = ''] of data.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g)) {
        redis.commands.push(name)
        socket.write(ANSWERS[name] ?? '+OK\r\n')
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const redis: FakeRedis = { url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`, silent: false, connections: 0, commands: [] }
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return redis
}

/** RESP (redis.io, "Redis serialization protocol specification"). */
const ANSWERS: Readonly<Record<string, string>> = {
  PING: '+PONG\r\n',
  HELLO: '*2\r\n$6\r\nserver\r\n$5\r\nredis\r\n',
  DEL: ':1\r\n',
  SREM: '+QUEUED\r\n',
  EXEC: '*2\r\n:1\r\n:1\r\n'
}

const connect = async (t: Test, url: string, limit = LIMIT_MS): Promise<RedisMemory> => {
  const memory = await RedisMemory.connect(url, {} as never, () => {}, limit)
  t.teardown(async () => { await memory.close() })
  return memory
}

/** How long it takes until it fails as something that the client should try again, milliseconds. */
async function failing (t: Test, work: Promise<unknown>): Promise<number> {
  const began = performance.now()
  await t.rejects(work, { name: 'CodedError', statusCode: 502 })
  return performance.now() - began
}

t.test('a command has a limit; once Redis answers again, so does the memory', async t => {
  const redis = await fakeRedis(t)
  const memory = await connect(t, redis.url)
  await memory.forgetEverywhere([DIGEST])
  redis.silent = true
  t.ok(await failing(t, memory.forget('blobs', APP, DIGEST)) < LIMIT_MS * 4)
  t.ok(await failing(t, memory.forgetEverywhere([DIGEST])) < LIMIT_MS * 4, 'nor is a new connection waited for')
  redis.silent = false
  t.same(await memory.forget('blobs', APP, DIGEST), { outcome: 'forgotten' })
  await Promise.all([memory.forgetEverywhere([DIGEST]), memory.forgetEverywhere([DIGEST])])
  t.equal(redis.connections, 3, 'one each time, and no more')
})

t.test('a connection that breaks is made anew, once for all that ask', async t => {
  const redis = await fakeRedis(t)
  const memory = await connect(t, redis.url)
  redis.silent = true
  const all = Promise.all([memory.forgetEverywhere([DIGEST]), memory.forget('blobs', APP, DIGEST)].map(async work => await failing(t, work)))
  t.ok(Math.max(...await all) < LIMIT_MS * 4)
  redis.silent = false
  await Promise.all(Array.from({ length: 5 }, async () => { await memory.forgetEverywhere([DIGEST]) }))
  t.equal(redis.connections, 2)
})

t.test('closing ends what still waits', async t => {
  const redis = await fakeRedis(t)
  const memory = await connect(t, redis.url, 60_000)
  redis.silent = true
  const waiting = failing(t, memory.forget('blobs', APP, DIGEST))
  await memory.close()
  t.ok(await waiting < 5_000)
  await failing(t, memory.forgetEverywhere([DIGEST]))
  t.equal(redis.connections, 1, 'nothing is connected any more')
})

t.test('a Redis that does not answer is an error at the start, which does not show the password', async t => {
  const redis = await fakeRedis(t)
  redis.silent = true
  const { host } = new URL(redis.url)
  for (const login of ['ann:hunter2', 'ann:hun@ter2', ':hun@ter2@', 'hunter2']) {
    await t.rejects(connect(t, `redis://${login}@${host}/0`), { name: 'SetupError', message: new RegExp(`Redis at redis://…@${host}/0, which`) }, login)
  }
  const error = await connect(t, 'redis://ann:hun/ter2@').then(() => undefined, (error: unknown) => error)
  t.match(error, { name: 'SetupError', message: /Redis at redis:\/\/…@, which/ }, 'not a URL at all')
})
