/** Pulls: what is leased, until when, and for whom. */
import t from 'tap'
import { Pulls } from '../../src/traffic/pulls.js'
import { stopClock } from './clock.js'
import { APP, d, repository } from './repository.js'

const IDLE = 15
const OTHER = repository('team/other')
const [manifest, one, two] = [d('manifest'), d('one'), d('two')]

t.test('what a manifest lists is leased until the client has it', t => {
  const pulls = new Pulls(IDLE)
  pulls.begin(APP, 'ann', manifest, [one, two])
  t.equal(pulls.leased(APP, one), true)
  t.equal(pulls.leased(OTHER, one), false)
  t.equal(pulls.leasedAnywhere(two), true)
  pulls.fetching(APP, 'ann', one)(true)
  t.equal(pulls.leased(APP, one), false)
  pulls.fetching(APP, 'ann', two)(false)
  t.equal(pulls.leased(APP, two), true, 'a fetch that broke off leaves the lease')
  pulls.fetching(APP, 'bob', two)(true)
  t.equal(pulls.leased(APP, two), true, 'what another client has is none of its affair')
  pulls.fetching(APP, 'ann', two)(true)
  t.equal(pulls.open, 0)
  t.same(pulls.allLeased(), [])
  t.end()
})

t.test('what is being fetched is leased, with or without a manifest before', t => {
  const pulls = new Pulls(IDLE)
  const ends = [pulls.fetching(APP, 'ann', one), pulls.fetching(APP, 'bob', one)]
  t.equal(pulls.leased(APP, one), true)
  t.same(pulls.allLeased(), [{ repository: APP, digest: one }])
  ends[0]!(true)
  t.equal(pulls.leasedAnywhere(one), true)
  ends[1]!(false)
  t.equal(pulls.leasedAnywhere(one), false)
  t.end()
})

t.test('a pull ends when its client is idle for too long, but not while it fetches', async t => {
  const clock = stopClock(t)
  const pulls = new Pulls(IDLE)
  pulls.begin(APP, 'ann', manifest, [one, two])
  await clock.pass(IDLE - 0.001)
  const ended = pulls.fetching(APP, 'ann', one)
  await clock.pass(10 * IDLE)
  t.equal(pulls.leased(APP, two), true)
  ended(true)
  await clock.pass(IDLE - 0.001)
  t.equal(pulls.leased(APP, two), true)
  await clock.pass(0.001)
  t.equal(pulls.leased(APP, two), false)
})

t.test('pulled again, everything is leased again', t => {
  const pulls = new Pulls(IDLE)
  t.equal(pulls.renew(APP, 'ann', manifest), false)
  pulls.begin(APP, 'ann', manifest, [one, two])
  pulls.fetching(APP, 'ann', one)(true)
  t.equal(pulls.renew(APP, 'ann', manifest), true)
  t.equal(pulls.leased(APP, one), true)
  t.equal(pulls.renew(APP, 'bob', manifest), false)
  t.end()
})

t.test('a fetch of before that ends after it was pulled again takes nothing from the new pull', t => {
  const pulls = new Pulls(IDLE)
  pulls.begin(APP, 'ann', manifest, [one, two])
  pulls.fetching(APP, 'ann', one)(true)
  const ended = pulls.fetching(APP, 'ann', two)
  pulls.renew(APP, 'ann', manifest)
  ended(true)
  t.same([one, two].map(digest => pulls.leased(APP, digest)), [true, true])
  pulls.fetching(APP, 'ann', one)(true)
  pulls.fetching(APP, 'ann', two)(true)
  t.equal(pulls.open, 0)
  t.end()
})

t.test('an index: its manifests are leased until the client has them', t => {
  const pulls = new Pulls(IDLE)
  const child = d('child')
  pulls.begin(APP, 'ann', manifest, [child, one])
  t.equal(pulls.isPulling(APP, 'ann', child), true)
  t.equal(pulls.isPulling(APP, 'bob', child), false)
  t.equal(pulls.renew(APP, 'ann', child), false, 'it is a pull of its own now')
  t.equal(pulls.isPulling(APP, 'ann', child), false)
  t.equal(pulls.leased(APP, one), true)
  t.end()
})

t.test('whoever deletes is not kept waiting by pulls of its own', t => {
  const pulls = new Pulls(IDLE)
  pulls.begin(APP, 'ann', manifest, [one])
  pulls.begin(APP, 'bob', manifest, [two])
  pulls.drop(APP, 'ann')
  t.equal(pulls.leased(APP, one), false)
  t.equal(pulls.leased(APP, two), true)
  t.end()
})

t.test('what nobody asks about is not remembered for ever', async t => {
  const clock = stopClock(t)
  const pulls = new Pulls(IDLE)
  for (let at = 0; at < 1000; at++) pulls.begin(repository(`team/app${at}`), 'ann', manifest, [one])
  await clock.pass(IDLE)
  for (let at = 0; at < 256; at++) pulls.begin(APP, `client ${at}`, manifest, [one])
  t.ok(pulls.open <= 256, `${pulls.open}`)
})

t.test('what a client fetches keeps the pull that it belongs to, with the index above it, and no other', async t => {
  const clock = stopClock(t)
  const pulls = new Pulls(IDLE)
  const [top, child, stale, base] = [d('top'), d('child'), d('stale'), d('base')]
  pulls.begin(APP, 'ann', top, [child, d('other child')])
  pulls.renew(APP, 'ann', child)
  pulls.begin(APP, 'ann', child, [one, base])
  pulls.begin(APP, 'ann', stale, [two])
  await clock.pass(IDLE / 2)
  const ended = pulls.fetching(APP, 'ann', one)
  await clock.pass(IDLE)
  t.same([pulls.leased(APP, two), pulls.leased(APP, base), pulls.leased(APP, d('other child'))], [false, true, true])
  ended(true)
  for (let round = 0; round < 3; round++) {
    await clock.pass(IDLE - 1)
    pulls.fetching(APP, 'ann', base)(false)
  }
  t.same([pulls.leased(APP, base), pulls.leased(APP, d('other child'))], [true, true])
  await clock.pass(IDLE)
  t.equal(pulls.open, 0)
})
