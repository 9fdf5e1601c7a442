/** Turns in a repository: manifest PUTs together, a deletion alone, and first come, first served. */
import t from 'tap'
import { RepositoryLocks } from '../../src/traffic/locks.js'
import { Tombstones } from '../../src/traffic/tombstones.js'
import { settled } from './clock.js'
import { Chance } from '../support/random.js'
import { APP, d, repository } from './repository.js'

const OTHER = repository('team/other')

/** Asks for a turn; `log` says when it began. */
function turns (locks: RepositoryLocks) {
  const log: string[] = []
  const releases = new Map<string, () => void>()
  const ask = (name: string, kind: 'shared' | 'exclusive', of = APP): void => {
    void locks[kind](of).then(release => {
      log.push(name)
      releases.set(name, release)
    })
  }
  const end = async (name: string): Promise<void> => {
    releases.get(name)!()
    await settled()
  }
  return { log, ask, end }
}

t.test('shared turns run together, an exclusive one alone', async t => {
  const { log, ask, end } = turns(new RepositoryLocks())
  ask('put1', 'shared')
  ask('put2', 'shared')
  await settled()
  t.same(log, ['put1', 'put2'])
  ask('delete', 'exclusive')
  await end('put1')
  t.same(log, ['put1', 'put2'], 'one put is still running')
  await end('put2')
  t.same(log, ['put1', 'put2', 'delete'])
  ask('put3', 'shared')
  ask('delete2', 'exclusive')
  await settled()
  t.same(log, ['put1', 'put2', 'delete'])
  await end('delete')
  t.same(log, ['put1', 'put2', 'delete', 'put3'])
  await end('put3')
  t.same(log, ['put1', 'put2', 'delete', 'put3', 'delete2'])
})

t.test('whoever came first goes first: neither side starves', async t => {
  const { log, ask, end } = turns(new RepositoryLocks())
  ask('put1', 'shared')
  ask('delete1', 'exclusive')
  ask('put2', 'shared')
  ask('put3', 'shared')
  ask('delete2', 'exclusive')
  ask('put4', 'shared')
  await settled()
  t.same(log, ['put1'], 'puts that came after the deletion wait for it')
  await end('put1')
  t.same(log, ['put1', 'delete1'])
  await end('delete1')
  t.same(log, ['put1', 'delete1', 'put2', 'put3'])
  await end('put3')
  t.same(log, ['put1', 'delete1', 'put2', 'put3'])
  await end('put2')
  t.same(log, ['put1', 'delete1', 'put2', 'put3', 'delete2'])
  await end('delete2')
  t.same(log, ['put1', 'delete1', 'put2', 'put3', 'delete2', 'put4'])
})

t.test('repositories do not wait for each other', async t => {
  const { log, ask } = turns(new RepositoryLocks())
  ask('app', 'exclusive')
  ask('other', 'exclusive', OTHER)
  await settled()
  t.same(log, ['app', 'other'])
})

t.test('contended: while a deletion runs, or anybody waits', async t => {
  const locks = new RepositoryLocks()
  const { ask, end } = turns(locks)
  t.equal(locks.isContended(APP), false)
  ask('put', 'shared')
  await settled()
  t.equal(locks.isContended(APP), false)
  ask('delete', 'exclusive')
  await settled()
  t.equal(locks.isContended(APP), true)
  t.equal(locks.isContended(OTHER), false)
  await end('put')
  t.equal(locks.isContended(APP), true)
  await end('delete')
  t.equal(locks.isContended(APP), false)
})

t.test('a turn that is ended twice ends once', async t => {
  const locks = new RepositoryLocks()
  const first = await locks.exclusive(APP)
  first()
  const second = await locks.exclusive(APP)
  first()
  t.equal(locks.isContended(APP), true, 'the second turn goes on')
  const one = await locks.shared(OTHER)
  const two = await locks.shared(OTHER)
  one()
  one()
  const { log, ask } = turns(locks)
  ask('delete', 'exclusive', OTHER)
  await settled()
  t.same(log, [], 'the other put is still running')
  two()
  await settled()
  t.same(log, ['delete'])
  second()
})

t.test('a thousand turns at random: exclusion holds throughout, and everybody gets a turn', async t => {
  const locks = new RepositoryLocks()
  const chance = new Chance(7)
  let shared = 0
  let exclusive = 0
  let done = 0
  let together = 0
  const work = async (kind: 'shared' | 'exclusive'): Promise<void> => {
    const release = await locks[kind](APP)
    if (kind === 'shared') shared++
    else exclusive++
    if (exclusive > 1 || (exclusive === 1 && shared > 0)) t.fail(`${exclusive} exclusive and ${shared} shared turns at once`)
    together = Math.max(together, shared)
    for (let wait = chance.upTo(4); wait > 0; wait--) await new Promise(resolve => { setImmediate(resolve) })
    if (kind === 'shared') shared--
    else exclusive--
    release()
    done++
  }
  await Promise.all(Array.from({ length: 1000 }, async () => {
    for (let wait = chance.upTo(50); wait > 0; wait--) await new Promise(resolve => { setImmediate(resolve) })
    await work(chance.happens(0.7) ? 'shared' : 'exclusive')
  }))
  t.equal(done, 1000)
  t.ok(together > 1, `${together} shared turns at once`)
  t.equal(locks.isContended(APP), false)
})

t.test('tombstones: a lease that came first keeps the layer', t => {
  const leased = new Set([d('claimed')])
  const tombstones = new Tombstones((name, digest) => name === APP && leased.has(digest))
  t.equal(tombstones.buryLayer(APP, d('claimed')), false)
  t.equal(tombstones.isLayerBuried(APP, d('claimed')), false)
  t.equal(tombstones.buryLayer(APP, d('free')), true)
  t.equal(tombstones.isLayerBuried(APP, d('free')), true)
  t.equal(tombstones.buryLayer(OTHER, d('claimed')), true, 'in another repository nobody relies on it')
  leased.delete(d('claimed'))
  t.equal(tombstones.buryLayer(APP, d('claimed')), true)
  t.end()
})

t.test('tombstones: layers and manifests, each repository for itself', t => {
  const tombstones = new Tombstones(() => false)
  tombstones.buryLayer(APP, d('one'))
  tombstones.buryManifest(APP, d('image'))
  t.equal(tombstones.isManifestBuried(APP, d('one')), false)
  t.equal(tombstones.isLayerBuried(APP, d('image')), false)
  t.equal(tombstones.isLayerBuried(OTHER, d('one')), false)
  t.equal(tombstones.size, 2)
  tombstones.buryLayer(APP, d('one'))
  t.equal(tombstones.size, 2, 'twice is once')
  tombstones.unburyLayer(APP, d('image'))
  tombstones.unburyLayer(OTHER, d('one'))
  t.equal(tombstones.size, 2, 'nothing else was buried')
  tombstones.unburyLayer(APP, d('one'))
  t.equal(tombstones.isLayerBuried(APP, d('one')), false)
  t.equal(tombstones.isManifestBuried(APP, d('image')), true)
  tombstones.unburyManifest(APP, d('image'))
  t.equal(tombstones.size, 0)
  t.end()
})

t.test('tombstones: a registry that was restarted has forgotten everything', t => {
  const tombstones = new Tombstones(() => false)
  for (const name of ['a', 'b', 'c']) tombstones.buryLayer(repository(name), d(name))
  tombstones.buryManifest(APP, d('image'))
  tombstones.clear()
  t.equal(tombstones.size, 0)
  t.equal(tombstones.isLayerBuried(repository('a'), d('a')), false)
  t.equal(tombstones.isManifestBuried(APP, d('image')), false)
  t.end()
})
