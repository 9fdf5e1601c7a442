/** Who is told that a tag is protected, and what the registry gets of those who are not. */
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { Overwrites } from '../../src/http/overwrite.js'
import { openPassage } from '../../src/http/passage.js'
import { Protection } from '../../src/protection/protection.js'
import { APP, d, tag } from './repository.js'

const V1 = tag('v1')

function given ({ mayPush, current }: { mayPush: boolean | Error, current?: string }) {
  const written: unknown[] = []
  const request = { headers: {}, ip: '192.0.2.1' } as unknown as FastifyRequest
  const passage = openPassage(request, { kind: 'manifest', repository: APP, reference: { tag: V1 } })
  const pushed = Buffer.from('{}')
  passage.changes = { body: pushed }
  const overwrites = new Overwrites({
    protection: new Protection([{ name: 'releases', repositories: ['**'], tags: ['v*'], users: [], overwrite: false }]),
    access: { userOf: async () => undefined },
    decisions: { refused: async (...entry) => { written.push(entry) } },
    mayPush: async () => { if (mayPush instanceof Error) throw mayPush; return mayPush },
    current: async () => current === undefined ? undefined : d(current)
  })
  return { written, passage, pushed, begin: async () => await overwrites.begin(request, APP, V1, d('new')) }
}

t.test('whoever may push is told, and that is written down', async t => {
  const { begin, written } = given({ mayPush: true, current: 'old' })
  await t.rejects(begin(), { statusCode: 403, message: /releases/ })
  t.equal(written.length, 1)
})

t.test('whoever may not is left to the registry, which gets no manifest; nothing is written down, and the next one has its turn', async t => {
  const { begin, written, passage, pushed } = given({ mayPush: false, current: 'old' })
  t.equal(await begin(), undefined)
  t.same(written, [])
  t.not(passage.changes.body, pushed)
  t.throws(() => JSON.parse(passage.changes.body!.toString()))
  t.equal(await begin(), undefined)
})

t.test('while the registry cannot be asked nobody overwrites anything', async t => {
  const { begin, written } = given({ mayPush: new Error('away'), current: 'old' })
  await t.rejects(begin(), { message: 'away' })
  await t.rejects(begin(), { message: 'away' })
  t.same(written, [])
})

t.test('what changes nothing is not asked about', async t => {
  for (const current of [undefined, 'new']) {
    const { begin, passage, pushed } = given({ mayPush: new Error('asked'), ...(current === undefined ? {} : { current }) })
    t.type(await begin(), 'function')
    t.equal(passage.changes.body, pushed)
  }
})
