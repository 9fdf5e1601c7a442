/** Manifest reads: those that run are waited for, those that begin later are not. */
import t from 'tap'
import { Reads } from '../../src/traffic/reads.js'
import { APP, repository } from './repository.js'

const state = async (promise: Promise<boolean>): Promise<unknown> => await Promise.race([promise, new Promise(resolve => { setImmediate(resolve, 'waits') })])

t.test('nothing runs: nothing is waited for', async t => {
  t.equal(await new Reads().settled(APP, 1), true)
})

t.test('reads that run are waited for, whoever else comes', async t => {
  const reads = new Reads()
  const [first, second] = [reads.begin(APP), reads.begin(APP)]
  const settled = reads.settled(APP, 60)
  const later = reads.begin(APP)
  first()
  t.equal(await state(settled), 'waits')
  second()
  t.equal(await settled, true, 'the later one is not waited for')
  const again = reads.settled(APP, 60)
  t.equal(await state(again), 'waits')
  t.equal(await reads.settled(repository('team/other'), 60), true)
  later()
  t.equal(await again, true)
})

t.test('one after the other, each waits for all before it', async t => {
  const reads = new Reads()
  const first = reads.begin(APP)
  const one = reads.settled(APP, 60)
  const second = reads.begin(APP)
  const two = reads.settled(APP, 60)
  second()
  t.equal(await state(two), 'waits', 'the first still runs')
  first()
  t.equal(await one, true)
  t.equal(await two, true)
})

t.test('not for ever', async t => {
  const reads = new Reads()
  const ended = reads.begin(APP)
  t.equal(await reads.settled(APP, 0.01), false)
  ended()
  t.equal(await reads.settled(APP, 60), true)
})
