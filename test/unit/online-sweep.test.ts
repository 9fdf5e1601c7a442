/** The sweep and the claims exclude each other, per digest: the sweep is stopped at each of its steps, on real files. */
import { utimesSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Claims } from '../../src/claims/claims.js'
import { OnlineSweep, type OnlineSweepParts } from '../../src/collection/online-sweep.js'
import { createStorage } from '../../src/composition/storage.js'
import { createTraffic } from '../../src/composition/traffic.js'
import type { Digest } from '../../src/oci/digest.js'
import { Aside, type Remove } from '../../src/storage/aside.js'
import * as paths from '../../src/storage/paths.js'
import { NO_TRASH } from '../support/no-trash.js'
import { temporaryDirectory } from '../support/temporary.js'
import { d } from './repository.js'
import { DiskTree, repository } from './references-tree.js'

const APP = repository('app')
const [SWEPT, OTHER, IMAGE] = [d('swept'), d('other'), d('image')]

/** Something that is waited for until a test lets it go on. */
class Stop {
  readonly arrived: Promise<void>
  #arrive = (): void => {}
  #go = (): void => {}
  readonly #gone: Promise<void>

  constructor () {
    this.arrived = new Promise(resolve => { this.#arrive = resolve })
    this.#gone = new Promise(resolve => { this.#go = resolve })
  }

  async here (): Promise<void> {
    this.#arrive()
    await this.#gone
  }

  release (): void { this.#go() }
}

/** Stops between the decision that a blob goes, and the end of its rename. */
class StoppedAside extends Aside {
  before: Stop | undefined
  after: Stop | undefined

  override async take (digest: Digest): Promise<Remove | undefined> {
    await this.before?.here()
    const remove = await super.take(digest)
    await this.after?.here()
    return remove
  }
}

/** What is written now is older than this: the clock of a file system may be a little ahead. */
const old = (): number => Date.now() + 10_000

/** Two blobs that nothing uses, of which a deletion named one. */
async function prepared (t: Test, parts: Partial<OnlineSweepParts> = {}, youngest = old()) {
  const root = await temporaryDirectory(t)
  const tree = new DiskTree(root)
  const storage = createStorage(root, join(await temporaryDirectory(t), 'index'))
  const traffic = createTraffic({ hold: { maximumRequests: 10, timeoutSeconds: 10 }, drain: { timeoutSeconds: 10, sessionIdleSeconds: 60, pullIdleSeconds: 60, transferTimeoutSeconds: 10 } })
  for (const digest of [SWEPT, OTHER]) tree.write(paths.blobData(digest), 'content')
  await storage.index.build()
  const aside = new StoppedAside(storage.writer)
  const turn = async (name: typeof APP) => ({ quiet: true, end: await traffic.locks.exclusive(name) })
  const sweep = new OnlineSweep({ ...storage, ...traffic, aside, turn, trash: NO_TRASH, ...parts }, youngest, new Set([SWEPT]))
  return { ...traffic, tree, index: storage.index, aside, sweep, claims: new Claims(traffic), turn }
}

/** Whether something is still waited for when everything that could go on has gone on. */
async function waits (promise: Promise<unknown>): Promise<boolean> {
  let ended = false
  promise.then(() => { ended = true }, () => { ended = true })
  for (let turns = 0; turns < 10; turns++) await turnOfTheLoop()
  return !ended
}

for (const when of ['before', 'after'] as const) {
  t.test(`claims on a blob that is decided to go wait for the end of its rename (stopped ${when} it), others do not`, async t => {
    const { tree, aside, sweep, claims, leases } = await prepared(t)
    const stop = aside[when] = new Stop()
    const swept = sweep.sweep([SWEPT])
    await stop.arrived
    const claiming = [
      claims.begin(APP, 'HEAD', SWEPT, false),
      claims.begin(APP, 'commit', SWEPT, true),
      claims.beginMount(APP, SWEPT),
      claims.beginManifest(repository('other'), 'PUT', [OTHER, SWEPT])
    ]
    for (const claim of claiming) t.ok(await waits(claim), 'it waits')
    t.notOk(await waits(claims.begin(APP, 'HEAD', OTHER, false)), 'a claim on another blob does not')
    const before = leases.longestWaitMs
    stop.release()
    await Promise.all(claiming)
    t.notOk(tree.has(paths.blobDirectory(SWEPT)), 'and what they meet then is the truth')
    t.ok(leases.longestWaitMs > before, 'how long they waited is known')
    await swept
    t.same([...sweep.swept.removed.keys()], [SWEPT])
  })
}

t.test('a claim that comes first keeps the blob, until it ends', async t => {
  const { tree, sweep, claims } = await prepared(t)
  const claim = await claims.begin(APP, 'HEAD', SWEPT, false)
  await sweep.sweep([SWEPT])
  t.ok(tree.has(paths.blobData(SWEPT)))
  t.same([...sweep.swept.leased], [SWEPT])
  claim.end()
  await sweep.sweep([SWEPT])
  t.notOk(tree.has(paths.blobDirectory(SWEPT)))
})

t.test('a claim under another algorithm\'s name may be about any blob: it excludes every sweep, and waits for each', async t => {
  const { tree, aside, sweep, claims } = await prepared(t)
  const alias = `sha512:${'ab'.repeat(64)}` as Digest
  const claim = await claims.begin(APP, 'HEAD', alias, false)
  await sweep.sweep([SWEPT])
  t.ok(tree.has(paths.blobData(SWEPT)))
  claim.end()
  const stop = aside.before = new Stop()
  const swept = sweep.sweep([SWEPT])
  await stop.arrived
  const claiming = claims.begin(APP, 'HEAD', alias, false)
  t.ok(await waits(claiming))
  stop.release()
  await Promise.all([swept, claiming])
})

t.test('a manifest that is accepted while the sweep unlinks a stray link is seen before the blob goes', async t => {
  const stop = new Stop()
  const { tree, index, sweep, locks } = await prepared(t, {
    turn: async name => {
      await stop.here()
      return { quiet: true, end: await locks.exclusive(name) }
    }
  })
  tree.layer(APP, SWEPT)
  await index.verify()
  const swept = sweep.sweep([SWEPT])
  await stop.arrived
  index.linked(repository('other'), IMAGE, { mediaType: '', blobs: [SWEPT], manifests: [], subject: undefined })
  stop.release()
  await swept
  t.ok(tree.has(paths.blobData(SWEPT)))
  t.ok(tree.has(paths.layerLink(APP, SWEPT)))
})

t.test('a link that somebody leases keeps its blob, and stays itself', async t => {
  const { tree, index, sweep, sessions } = await prepared(t)
  tree.layer(APP, SWEPT)
  await index.verify()
  sessions.lease(APP, 'pusher', SWEPT)
  await sweep.sweep([SWEPT])
  t.ok(tree.has(paths.layerLink(APP, SWEPT)))
  t.ok(tree.has(paths.blobData(SWEPT)))
})

t.test('a blob that no deletion named stays while it is young', async t => {
  const { tree, sweep } = await prepared(t, {}, Date.now() - 60_000)
  await sweep.sweep([SWEPT, OTHER])
  t.notOk(tree.has(paths.blobDirectory(SWEPT)))
  t.ok(tree.has(paths.blobData(OTHER)))
})

t.test('a link that was young a moment ago stays, and its blob with it: the tidying before may have left it to the next', async t => {
  for (const [older, isGone] of [[500, false], [1_500, true]] as const) {
    const writtenAt = Date.now() - 60_000
    const { tree, index, sweep } = await prepared(t, {}, writtenAt + older)
    const link = paths.layerLink(APP, SWEPT)
    tree.write(link, SWEPT)
    utimesSync(join(tree.root, link), new Date(writtenAt), new Date(writtenAt))
    await index.verify()
    await sweep.sweep([SWEPT])
    t.equal(tree.has(link), !isGone)
    t.equal(tree.has(paths.blobData(SWEPT)), !isGone)
    t.equal(sweep.swept.leased.has(SWEPT), !isGone)
  }
})
