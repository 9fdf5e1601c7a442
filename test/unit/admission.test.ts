/** Requests that are held: which, how many, how long, and in which order they go on. */
import t from 'tap'
import { Admission, HoldExceeded, type Hold, type Leave, type Traffic } from '../../src/traffic/admission.js'
import { settled, stopClock, watched } from './clock.js'

const LIMITS = { maximumRequests: 5, timeoutSeconds: 30 }

/** Enters, and says so in `log` when admitted. */
function enter (admission: Admission, name: string, log: string[], traffic: Traffic = 'write', exempt?: () => boolean): { leave: () => void, error: () => unknown } {
  let leave: Leave | undefined
  let error: unknown
  const entered = admission.enter(traffic, exempt)
  const admitted = (given: Leave): void => { leave = given; log.push(name) }
  if (entered instanceof Promise) entered.then(admitted, refused => { error = refused; log.push(`${name} refused`) })
  else admitted(entered)
  return { leave: () => { leave!() }, error: () => error }
}

t.test('what each hold holds', t => {
  const table: Array<[Hold, Traffic, boolean, held: boolean]> = [
    ['none', 'read', false, false], ['none', 'write', false, false],
    ['new-writes', 'read', false, false], ['new-writes', 'write', false, true], ['new-writes', 'write', true, false],
    ['writes', 'read', false, false], ['writes', 'write', false, true], ['writes', 'write', true, true],
    ['new-writes', 'download', false, false], ['writes', 'download', false, false], ['all', 'download', false, true],
    ['all', 'read', false, true], ['all', 'write', false, true], ['all', 'read', true, true], ['all', 'write', true, true]
  ]
  for (const [hold, traffic, exempt, held] of table) {
    const admission = new Admission(LIMITS)
    t.teardown(() => { admission.close() })
    admission.set(hold)
    const entered = admission.enter(traffic, () => exempt)
    t.equal(entered instanceof Promise, held, `${hold}, ${traffic}${exempt ? ', exempt' : ''}`)
    if (entered instanceof Promise) entered.catch(() => {})
    t.equal(admission.inFlight(traffic), held ? 0 : 1)
    t.equal(admission.waiting, held ? 1 : 0)
  }
  t.end()
})

t.test('held requests go on in the order in which they came', async t => {
  const admission = new Admission(LIMITS)
  const log: string[] = []
  admission.set('all')
  for (const name of ['a', 'b', 'c']) enter(admission, name, log)
  enter(admission, 'd', log, 'read')
  await settled()
  t.same(log, [])
  admission.set('none')
  await settled()
  t.same(log, ['a', 'b', 'c', 'd'])
  t.equal(admission.inFlight('write'), 3)
  t.equal(admission.inFlight('read'), 1)
  t.equal(admission.waiting, 0)
})

t.test('a hold that is lowered lets go on only what it does not hold any more', async t => {
  const admission = new Admission(LIMITS)
  const log: string[] = []
  admission.set('all')
  enter(admission, 'w1', log)
  enter(admission, 'r1', log, 'read')
  enter(admission, 'w2', log)
  admission.set('writes')
  await settled()
  t.same(log, ['r1'])
  admission.set('none')
  await settled()
  t.same(log, ['r1', 'w1', 'w2'])
})

t.test('while there is no registry everything waits; then the hold is what it was, or has become', async t => {
  const admission = new Admission(LIMITS)
  const log: string[] = []
  admission.set('new-writes')
  admission.suspend(true)
  t.equal(admission.hold, 'all')
  enter(admission, 'r1', log, 'read')
  enter(admission, 'w1', log, 'write', () => true)
  admission.set('writes')
  await settled()
  t.same(log, [])
  admission.suspend(false)
  await settled()
  t.same(log, ['r1'])
  t.equal(admission.hold, 'writes')
  admission.set('none')
  await settled()
  t.same(log, ['r1', 'w1'])
})

t.test('whether a request is exempt is asked again when the hold changes', async t => {
  const admission = new Admission(LIMITS)
  const log: string[] = []
  let running = false
  admission.set('all')
  enter(admission, 'w', log, 'write', () => running)
  admission.set('new-writes')
  await settled()
  t.same(log, [], 'not yet a request of a running push')
  running = true
  await settled()
  t.same(log, [], 'nobody asked')
  admission.set('new-writes')
  await settled()
  t.same(log, ['w'])
})

t.test('one too many is refused at once, and the others stay', async t => {
  const admission = new Admission(LIMITS)
  const log: string[] = []
  admission.set('all')
  for (let number = 0; number < LIMITS.maximumRequests; number++) enter(admission, `${number}`, log)
  t.throws(() => admission.enter('write'), { name: 'HoldExceeded', reason: 'full' })
  t.equal(admission.waiting, LIMITS.maximumRequests)
  admission.set('none')
  await settled()
  t.equal(log.length, LIMITS.maximumRequests)
})

t.test('a request is refused when its time is up, those that came later wait on', async t => {
  const clock = stopClock(t)
  const admission = new Admission(LIMITS)
  const log: string[] = []
  admission.set('all')
  const first = enter(admission, 'first', log)
  await clock.pass(20)
  enter(admission, 'second', log)
  await clock.pass(LIMITS.timeoutSeconds - 20 - 0.001)
  t.same(log, [])
  await clock.pass(0.001)
  t.same(log, ['first refused'])
  t.match(first.error(), { name: 'HoldExceeded', reason: 'timeout' })
  t.equal(admission.waiting, 1)
  admission.set('none')
  await clock.pass(100)
  t.same(log, ['first refused', 'second'], 'an admitted request is not refused later')
  t.equal(admission.inFlight('write'), 1)
  t.equal(admission.longestHoldMs, LIMITS.timeoutSeconds * 1000)
})

t.test('a request whose client has gone gives up its place', async t => {
  const admission = new Admission({ ...LIMITS, maximumRequests: 1 })
  admission.set('all')
  const held = admission.enter('write') as Promise<Leave>
  const seen = watched(held)
  admission.abandon(held)
  await settled()
  t.equal(seen.state, 'rejected')
  t.match(seen.error, { name: 'HoldExceeded', reason: 'gone' })
  t.equal(admission.waiting, 0)
  const next = admission.enter('write') as Promise<Leave>
  admission.set('none')
  ;(await next)()
  admission.abandon(next)
  admission.abandon(held)
  t.equal(admission.inFlight('write'), 0)
})

t.test('closing refuses all that wait', async t => {
  const admission = new Admission(LIMITS)
  const log: string[] = []
  admission.set('all')
  const held = enter(admission, 'a', log)
  enter(admission, 'b', log)
  admission.close()
  await settled()
  t.same(log, ['a refused', 'b refused'])
  t.ok(held.error() instanceof HoldExceeded)
  t.equal(admission.waiting, 0)
})

t.test('leaving twice counts once', t => {
  const admission = new Admission(LIMITS)
  const leave = admission.enter('write') as Leave
  const other = admission.enter('write') as Leave
  leave()
  leave()
  t.equal(admission.inFlight('write'), 1)
  other()
  t.equal(admission.inFlight('write'), 0)
  t.end()
})

t.test('until: at once, when the last request leaves, or when the time is up', async t => {
  const clock = stopClock(t)
  const admission = new Admission(LIMITS)
  const quiet = (): boolean => admission.inFlight('write') === 0
  t.equal(await admission.until(quiet, 0), true)

  const one = admission.enter('write') as Leave
  const two = admission.enter('write') as Leave
  const waited = watched(admission.until(quiet, 10))
  one()
  await settled()
  t.equal(waited.state, 'pending')
  two()
  await settled()
  t.same(waited, { state: 'fulfilled', value: true })

  admission.enter('write')
  const late = watched(admission.until(quiet, 10))
  await clock.pass(9.9)
  t.equal(late.state, 'pending')
  await clock.pass(0.1)
  t.same(late, { state: 'fulfilled', value: false })
})

t.test('until looks again when it is told that something changed, and when only the clock did', async t => {
  const clock = stopClock(t)
  const admission = new Admission(LIMITS)
  let done = false
  const told = watched(admission.until(() => done, 100))
  done = true
  t.equal(told.state, 'pending')
  admission.changed()
  await settled()
  t.same(told, { state: 'fulfilled', value: true })

  const end = Date.now() + 5000
  const byClock = watched(admission.until(() => Date.now() >= end, 100))
  await clock.pass(4.8)
  t.equal(byClock.state, 'pending')
  await clock.pass(0.4)
  t.same(byClock, { state: 'fulfilled', value: true })
})

t.test('settled: what is in flight now has ended; what comes later, and downloads, do not count', async t => {
  const clock = stopClock(t)
  const admission = new Admission(LIMITS)
  t.equal(await admission.settled(0), true, 'nothing is')
  const read = admission.enter('read') as Leave
  const write = admission.enter('write') as Leave
  admission.enter('download')
  const first = watched(admission.settled(10))
  const later = admission.enter('write') as Leave
  const second = watched(admission.settled(10))
  write()
  await settled()
  t.equal(first.state, 'pending')
  read()
  await settled()
  t.same(first, { state: 'fulfilled', value: true })
  t.equal(second.state, 'pending')
  admission.enter('read')
  later()
  await settled()
  t.same(second, { state: 'fulfilled', value: true })

  const late = watched(admission.settled(10))
  await clock.pass(10)
  t.same(late, { state: 'fulfilled', value: false })
})

t.test('holds are counted, and how long they last; so is how long each request was held', async t => {
  const held: number[] = []
  const admission = new Admission(LIMITS, seconds => { held.push(seconds) })
  t.same(admission.holds, { count: 0, seconds: 0, lastsSeconds: 0 })
  admission.set('new-writes')
  admission.set('all')
  const log: string[] = []
  enter(admission, 'a', log)
  await new Promise(resolve => { setTimeout(resolve, 2) })
  const { count, seconds, lastsSeconds } = admission.holds
  t.equal(count, 1, 'a hold that holds more is the same one')
  t.ok(lastsSeconds > 0)
  t.equal(seconds, lastsSeconds)
  t.same(held, [])
  admission.suspend(true)
  admission.set('none')
  t.equal(admission.holds.count, 1, 'nor is it over while there is another reason for it')
  admission.suspend(false)
  t.equal(admission.holds.lastsSeconds, 0)
  t.ok(admission.holds.seconds >= seconds)
  await settled()
  t.same(log, ['a'])
  t.equal(held.length, 1)
  admission.suspend(true)
  t.equal(admission.holds.count, 2)
  admission.suspend(false)
})
