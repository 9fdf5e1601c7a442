/** Refusals are written down, but nobody who is refused over and over again fills the log with them. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import type { NewEntry } from '../../src/audit/log.js'
import { Refusals } from '../../src/audit/refusals.js'
import { CodedError, unauthorized } from '../../src/errors.js'
import { Decisions } from '../../src/http/decisions.js'
import { APP } from './repository.js'

function kept () {
  const entries: NewEntry[] = []
  return { entries, log: { record: async (entry: NewEntry) => { entries.push(entry) } } }
}

const refused = (address: string, agent = 'x'): NewEntry => ({ action: 'delete', outcome: 'refused', who: { user: 'alice', address, agent }, target: { type: 'tags', repository: APP }, status: 403 })

t.test('of one address so many, then how many were left out', async t => {
  const { entries, log } = kept()
  const refusals = new Refusals(log, { maximum: 3, seconds: 600 })
  for (let at = 0; at < 10; at++) await refusals.record(refused('192.0.2.1', String(at)))
  await refusals.record(refused('192.0.2.2'))
  t.same(entries.map(({ who }) => who.agent), ['0', '1', '2', 'x'], 'another address is not concerned')
  await refusals.close()
  t.equal(entries.length, 5)
  t.match(entries[4], { action: 'delete', outcome: 'refused', who: { address: '192.0.2.1', user: undefined }, target: { repository: APP }, leftOut: 7 })
  await refusals.close()
  t.equal(entries.length, 5, 'it is said once')
})

t.test('after the time they are written down again', async t => {
  const { entries, log } = kept()
  const refusals = new Refusals(log, { maximum: 1, seconds: 0.2 })
  for (let at = 0; at < 3; at++) await refusals.record(refused('192.0.2.1'))
  const alive = setInterval(() => {}, 1000)
  await sleep(400)
  clearInterval(alive)
  t.match(entries, [{ leftOut: undefined }, { leftOut: 2 }])
  await refusals.record(refused('192.0.2.1'))
  t.match(entries.slice(2), [{ status: 403, leftOut: undefined }])
})

t.test('with IPv6 a client has a network of addresses', async t => {
  const { entries, log } = kept()
  const refusals = new Refusals(log, { maximum: 1, seconds: 600 })
  for (const address of ['2001:db8::1', '2001:db8:0:0:1::', '2001:db8::ffff:1:2:3:4', '2001:db8:0:1::1', '::1', '::ffff:192.0.2.1', '::ffff:192.0.2.2']) await refusals.record(refused(address))
  t.same(entries.map(({ who }) => who.address), ['2001:db8::1', '2001:db8::ffff:1:2:3:4', '2001:db8:0:1::1', '::1', '::ffff:192.0.2.1', '::ffff:192.0.2.2'])
})

t.test('many addresses are not remembered for ever', async t => {
  const { entries, log } = kept()
  const refusals = new Refusals(log, { maximum: 1, seconds: 600 })
  for (let at = 0; at < 2; at++) await refusals.record(refused('first'))
  for (let at = 0; at < 10_000; at++) await refusals.record(refused(`a${at}`))
  t.match(entries.filter(({ leftOut }) => leftOut !== undefined), [{ who: { address: 'first' }, leftOut: 1 }])
})

t.test('a challenge is no decision', async t => {
  const { entries, log } = kept()
  const decisions = new Decisions(log)
  const from = (headers: object): FastifyRequest => ({ headers, ip: '192.0.2.1' }) as unknown as FastifyRequest
  const decision = { action: 'delete', target: { type: 'tags', repository: APP } } as const
  await decisions.refused(from({}), decision, unauthorized())
  t.same(entries, [])
  await decisions.refused(from({ authorization: 'Bearer x' }), decision, unauthorized())
  await decisions.refused(from({}), decision, new CodedError(403, 'DENIED', 'no'))
  t.match(entries, [{ status: 401 }, { status: 403 }])
  for (let at = 0; at < 100; at++) await decisions.refused(from({}), decision, new CodedError(403, 'DENIED', 'no'))
  await decisions.close()
  t.equal(entries.length, 31)
  t.match(entries.at(-1), { leftOut: 72 })
})
