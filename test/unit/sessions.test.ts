/** Push sessions: what is leased, for how long, and that nothing is remembered of what is over. */
import t from 'tap'
import { Sessions } from '../../src/traffic/sessions.js'
import { stopClock } from './clock.js'
import { APP, d, repository } from './repository.js'

const IDLE = 60
const OTHER = repository('team/other')

t.test('a lease holds in its repository only, and under its digest only', t => {
  const sessions = new Sessions(IDLE)
  sessions.lease(APP, 'ann', d('one'))
  t.equal(sessions.leased(APP, d('one')), true)
  t.equal(sessions.leased(APP, d('two')), false)
  t.equal(sessions.leased(OTHER, d('one')), false)
  t.same(sessions.allLeased(), [{ repository: APP, digest: d('one') }])
  t.end()
})

t.test('as many claims, as many releases', t => {
  const sessions = new Sessions(IDLE)
  sessions.lease(APP, 'ann', d('one'))
  sessions.lease(APP, 'ann', d('one'))
  sessions.release(APP, 'ann', d('one'))
  t.equal(sessions.leased(APP, d('one')), true)
  sessions.release(APP, 'ann', d('one'))
  t.equal(sessions.leased(APP, d('one')), false)
  sessions.release(APP, 'ann', d('one'))
  sessions.lease(APP, 'ann', d('one'))
  t.equal(sessions.leased(APP, d('one')), true, 'a release too many takes nothing from later claims')
  t.end()
})

t.test('clients are told apart', t => {
  const sessions = new Sessions(IDLE)
  sessions.lease(APP, 'ann', d('one'))
  sessions.lease(APP, 'bob', d('one'))
  sessions.release(APP, 'ann', d('one'))
  t.equal(sessions.leased(APP, d('one')), true)
  t.equal(sessions.isOpen(APP, 'ann'), false)
  t.equal(sessions.isOpen(APP, 'bob'), true)
  sessions.release(APP, 'ann', d('one'))
  t.equal(sessions.leased(APP, d('one')), true)
  t.end()
})

t.test('a lease ends when the client has been idle for too long', async t => {
  const clock = stopClock(t)
  const sessions = new Sessions(IDLE)
  sessions.lease(APP, 'ann', d('one'))
  await clock.pass(IDLE - 0.001)
  t.equal(sessions.leased(APP, d('one')), true)
  await clock.pass(0.001)
  t.equal(sessions.leased(APP, d('one')), false)
  t.equal(sessions.isOpen(APP, 'ann'), false)
  t.same(sessions.allLeased(), [])
  t.equal(sessions.open, 0)
})

t.test('a running request keeps its session, and its end begins the pause anew', async t => {
  const clock = stopClock(t)
  const sessions = new Sessions(IDLE)
  sessions.lease(APP, 'ann', d('one'))
  const end = sessions.begin(APP, 'ann')
  await clock.pass(10 * IDLE)
  t.equal(sessions.leased(APP, d('one')), true, 'however long the request takes')
  t.equal(sessions.inFlight(APP), 1)
  end()
  t.equal(sessions.inFlight(APP), 0)
  await clock.pass(IDLE - 1)
  t.equal(sessions.leased(APP, d('one')), true)
  sessions.begin(APP, 'ann')()
  await clock.pass(IDLE - 1)
  t.equal(sessions.leased(APP, d('one')), true)
  await clock.pass(1)
  t.equal(sessions.leased(APP, d('one')), false)
})

t.test('a session without claims and uploads is over with its last request', t => {
  const sessions = new Sessions(IDLE)
  const one = sessions.begin(APP, 'ann')
  const two = sessions.begin(APP, 'ann')
  t.equal(sessions.open, 1)
  t.equal(sessions.inFlight(APP), 2)
  one()
  t.equal(sessions.open, 1)
  two()
  t.equal(sessions.open, 0)
  t.end()
})

t.test('an open upload keeps its session, whoever closes it', async t => {
  const clock = stopClock(t)
  const sessions = new Sessions(IDLE)
  const end = sessions.begin(APP, 'ann')
  sessions.uploadOpened(APP, 'ann', 'upload')
  end()
  t.equal(sessions.isOpen(APP, 'ann'), true)
  t.equal(sessions.uploads, 1)
  t.equal(sessions.isUploading(APP, 'upload'), true)
  t.equal(sessions.isUploading(OTHER, 'upload'), false)
  t.equal(sessions.isUploading(APP, 'another'), false)
  sessions.uploadClosed(APP, 'upload')
  t.equal(sessions.isOpen(APP, 'ann'), false)
  t.equal(sessions.open, 0)
  t.equal(sessions.uploads, 0)

  sessions.uploadOpened(APP, 'bob', 'second')
  await clock.pass(IDLE)
  t.equal(sessions.uploads, 0, 'or it is abandoned')
  t.equal(sessions.isUploading(APP, 'second'), false)
})

t.test('a pushed manifest settles what it uses, and with it a push that has nothing else', t => {
  const sessions = new Sessions(IDLE)
  const end = sessions.begin(APP, 'ann')
  // docker asks, uploads, and asks again: three claims, one manifest.
  for (const digest of [d('one'), d('one'), d('one'), d('two')]) sessions.lease(APP, 'ann', digest)
  sessions.settle(APP, 'ann', [d('one'), d('two')])
  t.equal(sessions.leased(APP, d('one')), false)
  end()
  t.equal(sessions.open, 0)
  t.end()
})

t.test('a push that has more to do keeps its other claims', t => {
  const sessions = new Sessions(IDLE)
  const end = sessions.begin(APP, 'ann')
  for (const digest of [d('one'), d('child'), d('next')]) sessions.lease(APP, 'ann', digest)
  sessions.settle(APP, 'ann', [d('one')])
  end()
  t.equal(sessions.leased(APP, d('one')), false)
  t.equal(sessions.leased(APP, d('child')), true)
  t.equal(sessions.leased(APP, d('next')), true)
  sessions.settle(APP, 'ann', [d('child')])
  t.equal(sessions.leased(APP, d('next')), true)
  sessions.settle(APP, 'ann', [d('next')])
  t.equal(sessions.open, 0)
  t.end()
})

t.test('settling while another request of the push runs ends nothing that was claimed twice', t => {
  const sessions = new Sessions(IDLE)
  sessions.begin(APP, 'ann')
  sessions.begin(APP, 'ann')
  sessions.lease(APP, 'ann', d('one'))
  sessions.lease(APP, 'ann', d('one'))
  sessions.settle(APP, 'ann', [d('one')])
  t.equal(sessions.leased(APP, d('one')), true)
  t.end()
})

t.test('another client\'s manifest settles nothing', t => {
  const sessions = new Sessions(IDLE)
  sessions.lease(APP, 'ann', d('one'))
  sessions.settle(APP, 'bob', [d('one')])
  t.equal(sessions.leased(APP, d('one')), true)
  t.end()
})

t.test('whoever waits for sessions is told of every end', t => {
  let told = 0
  const sessions = new Sessions(IDLE, () => { told++ })
  const expect = (what: string, act: () => void): void => {
    const before = told
    act()
    t.ok(told > before, what)
  }
  const end = sessions.begin(APP, 'ann')
  expect('a request', end)
  sessions.lease(APP, 'ann', d('one'))
  expect('a lease', () => { sessions.release(APP, 'ann', d('one')) })
  sessions.uploadOpened(APP, 'ann', 'upload')
  expect('an upload', () => { sessions.uploadClosed(APP, 'upload') })
  t.end()
})

t.test('nothing is remembered of pushes that are over', async t => {
  const clock = stopClock(t)
  const sessions = new Sessions(IDLE)
  for (let number = 0; number < 100; number++) {
    const name = repository(`team/app${number}`)
    const end = sessions.begin(name, `client${number}`)
    sessions.lease(name, `client${number}`, d('one'))
    if (number % 2 === 0) sessions.release(name, `client${number}`, d('one'))
    end()
  }
  t.equal(sessions.open, 50)
  t.equal(sessions.allLeased().length, 50)
  await clock.pass(IDLE)
  t.equal(sessions.open, 0)
  t.equal(sessions.allLeased().length, 0)
})

t.test('what a client claimed a day ago and never used is leased no longer, though it is busy; what a request holds is', async t => {
  const clock = stopClock(t)
  const sessions = new Sessions(IDLE)
  sessions.lease(APP, 'ann', d('old'))
  sessions.lease(APP, 'ann', d('again'))
  const release = sessions.hold(APP, [d('held')])
  const HOUR = 3600
  const end = sessions.begin(APP, 'ann')
  await clock.pass(12 * HOUR)
  sessions.lease(APP, 'ann', d('again'))
  t.equal(sessions.leased(APP, d('old')), true)
  await clock.pass(12 * HOUR)
  t.same([d('old'), d('again'), d('held')].map(digest => sessions.leasedAnywhere(digest)), [false, true, true])
  t.same(sessions.allLeased().map(({ digest }) => digest).sort(), [d('again'), d('held')].sort())
  end()
  release()
})
