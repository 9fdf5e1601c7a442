/** A deletion that is held: nothing is done for a client that has gone meanwhile. */
import { EventEmitter } from 'node:events'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { decide } from '../../src/http/delete.js'
import { Admission, HoldExceeded } from '../../src/traffic/admission.js'

function held () {
  const admission = new Admission({ maximumRequests: 10, timeoutSeconds: 60 })
  admission.set('writes')
  const raw = Object.assign(new EventEmitter(), { destroyed: false })
  let done = 0
  const parts = { admission, decisions: { refused: async () => {} } } as unknown as Parameters<typeof decide>[3]
  const deciding = decide({} as FastifyRequest, { raw } as unknown as FastifyReply, undefined, parts, async () => ++done)
  return { admission, raw, deciding, done: () => done, go: () => { raw.destroyed = true; raw.emit('close') } }
}

t.test('it is carried out once the hold ends', async t => {
  const { admission, raw, deciding } = held()
  t.equal(admission.waiting, 1)
  admission.set('none')
  t.equal(await deciding, 1)
  t.equal(raw.listenerCount('close'), 0)
  t.equal(admission.inFlight('write'), 0)
})

t.test('a client that goes gives up its place', async t => {
  const { admission, deciding, done, go } = held()
  go()
  await t.rejects(deciding, HoldExceeded)
  t.equal(admission.waiting, 0)
  admission.set('none')
  t.equal(done(), 0)
})

t.test('also one that goes in the moment that the hold ends', async t => {
  const { admission, deciding, done, go } = held()
  admission.set('none')
  go()
  await t.rejects(deciding, HoldExceeded)
  t.equal(done(), 0)
  t.equal(admission.inFlight('write'), 0)
})
