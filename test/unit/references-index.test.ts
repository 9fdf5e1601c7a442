/** The reference index between two readings of the disk: reports of the gate, what heals, and each order in which things can happen. */
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Digest } from '../../src/oci/digest.js'
import type { ManifestReferences } from '../../src/oci/manifest.js'
import type { RepositoryName } from '../../src/oci/name.js'
import { ReferenceIndex } from '../../src/references/index.js'
import { PacedDisk } from '../../src/storage/paced.js'
import * as paths from '../../src/storage/paths.js'
import type { Found } from '../../src/storage/raw.js'
import { TreeReader } from '../../src/storage/read.js'
import { scanReferences } from '../../src/storage/scan.js'
import { temporaryDirectory } from '../support/temporary.js'
import { d, d512 } from './repository.js'
import { DiskTree, manifestText, repository, type Content } from './references-tree.js'

const app = repository('team/app')
const zoo = repository('zoo')
const [m1, m2, m3] = [d('m1'), d('m2'), d('m3')]
const [b1, b2, b3] = [d('b1'), d('b2'), d('b3')]

const references = ({ blobs = [], manifests = [] }: Content): ManifestReferences => ({ mediaType: 'a', blobs, manifests, subject: undefined })

/** Lets something happen right after a directory has been listed, or a file has been read. */
class InterruptedDisk extends PacedDisk {
  readonly after = new Map<string, () => void | Promise<void>>()
  /** All changes fall into one tick of the file system's clock. */
  isCoarse = false

  override async list (...[path, found]: Parameters<PacedDisk['list']>): Promise<void> {
    await super.list(path, found)
    await this.#happen(path)
  }

  override read<T> (...[path, maximum, parse]: [string, number, (bytes: Buffer) => T]): ReturnType<typeof PacedDisk.prototype.read<T>> {
    return (async () => {
      const read = await super.read(path, maximum, parse)
      await this.#happen(path)
      return read
    })()
  }

  override stat (path: string): Found | Promise<Found> {
    const found = this.#seen(super.stat(path))
    if (![...this.after.keys()].some(end => path.endsWith(end))) return found
    return (async () => {
      const known = await found
      await this.#happen(path)
      return known
    })()
  }

  #seen (found: Found | Promise<Found>): Found | Promise<Found> {
    if (found instanceof Promise) return found.then(found => this.#seen(found))
    return this.isCoarse && found.kind === 'directory' ? { ...found, stamp: { ...found.stamp, modifiedAt: 0, changedAt: 0 } } : found
  }

  async #happen (path: string): Promise<void> {
    for (const [end, happens] of this.after) {
      if (path.endsWith(end) && this.after.delete(end)) await happens()
    }
  }
}

async function setUp (t: Test, isTrusting = false): Promise<{ tree: DiskTree, index: ReferenceIndex, disk: InterruptedDisk }> {
  const tree = new DiskTree(join(await temporaryDirectory(t), 'v2'))
  const disk = new InterruptedDisk()
  return { tree, disk, index: new ReferenceIndex(new TreeReader(tree.root), { disk, ...(isTrusting ? { now: () => Date.now() + 3_600_000 } : {}) }) }
}

t.test('while it is being built, everything counts as used', async t => {
  const { tree, index } = await setUp(t)
  tree.push(app, m1, { blobs: [b1] })
  t.ok(index.isUsed(b2))
  t.notOk(index.isComplete)
  const built = [index.build(), index.build()]
  t.ok(index.isUsed(b2))
  await Promise.all(built)
  t.ok(index.isComplete)
  t.same([m1, b1, b2].map(digest => index.isUsed(digest)), [true, true, false])
  t.match(index.stats(), { complete: true, repositories: 1, manifests: 1, digests: 2 })
})

t.test('a build that is ended can be begun again', async t => {
  const { tree, index, disk } = await setUp(t)
  const closing = new AbortController()
  tree.push(app, m1, { blobs: [b1] })
  disk.after.set('revisions', () => { closing.abort() })
  await t.rejects(index.build(closing.signal), { name: 'AbortError' })
  t.notOk(index.isComplete)
  t.equal(index.blocking.length, 1, 'what is not known could hide a reference')
  await index.build()
  t.same([index.isUsed(b1), index.isUsed(b2), index.blocking], [true, false, []])
})

t.test('the answers', async t => {
  const { tree, index } = await setUp(t)
  tree.push(app, m1, { blobs: [b1, b2] })
  tree.push(zoo, m1, { blobs: [b1, b2] })
  tree.push(zoo, m2, { manifests: [m1, m3] })
  tree.layer(app, b3)
  await index.build()
  t.same(index.users(b1).sort(), [app, zoo])
  t.equal(index.users(b1, 1).length, 1)
  t.same(index.users(m3), [zoo], 'a child that is not there is used all the same')
  t.same([index.isUsed(b3), index.users(b3), index.linkedIn(b3)], [false, [], [app]])
  t.same(index.linkedIn(b1).sort(), [app, zoo])
  t.same(index.repositories(), [app, zoo])
  t.same(index.users(d('never')), [])
})

for (const [title, directory] of [['of revisions', 'revisions/sha256'], ['of the repository', 'team/app'], ['above the repository', 'repositories']] as const) {
  t.test(`a push that is reported just after the directory ${title} was listed is not lost`, async t => {
    const { tree, index, disk } = await setUp(t, true)
    tree.push(zoo, m2, { blobs: [b2] })
    if (directory !== 'repositories') tree.push(app, m2, { blobs: [b2] })
    disk.after.set(directory, () => {
      tree.push(app, m1, { blobs: [b1] })
      index.linked(app, m1, references({ blobs: [b1] }))
    })
    await index.build()
    t.same([m1, b1].map(digest => index.users(digest)), [[app], [app]])
    await tree.tick()
    await index.verify()
    t.same([m1, b1].map(digest => index.users(digest)), [[app], [app]], 'nor by the next pass')
    tree.remove(paths.repositoryDirectory(app))
    await index.verify()
    t.same([m1, b1].map(digest => index.isUsed(digest)), [false, false], 'nor kept for ever')
  })
}

t.test('a push that is reported while its empty link is being read is not damage', async t => {
  const { tree, index, disk } = await setUp(t)
  tree.push(app, m1, { blobs: [b1] })
  tree.revision(app, m1, '')
  disk.after.set(paths.revisionLink(app, m1), () => {
    tree.revision(app, m1)
    index.linked(app, m1, references({ blobs: [b1] }))
  })
  await index.build()
  t.same([index.isUsed(b1), index.blocking], [true, []])
})

/** Removes directories of revisions and layers, as a deletion does. */
function removeFrom (tree: DiskTree, { repository, manifests, layers }: { repository: RepositoryName, manifests: readonly Digest[], layers: readonly Digest[] }): void {
  for (const digest of manifests) tree.remove(paths.revisionDirectory(repository, digest))
  for (const digest of layers) tree.remove(paths.layerDirectory(repository, digest))
}

t.test('what a deletion removed is known without listing what is left', async t => {
  const { tree, index } = await setUp(t, true)
  for (const [manifest, blobs] of [[m1, [b1, b2]], [m2, [b2, b3]]] as const) tree.push(app, manifest, { blobs })
  await index.build()
  await index.verify()
  const { lists } = index.work
  const removed = { repository: app, manifests: [m1], layers: [b1] }
  const tell = await index.removing(removed)
  removeFrom(tree, removed)
  await tell()
  t.same([m1, b1, b2, b3].map(digest => index.isUsed(digest)), [false, false, true, true])
  t.same([index.linkedIn(b1), index.linkedIn(b2)], [[], [app]])
  await index.verify()
  t.equal(index.work.lists, lists, 'nothing was listed')
  tree.push(app, m1, { blobs: [b1] })
  await index.verify()
  t.same([index.users(b1), index.linkedIn(b1)], [[app], [app]], 'and what comes after that is seen')
})

t.test('what changed around the gate beside a deletion is found by the next pass', async t => {
  const removed = { repository: app, manifests: [m1], layers: [b1] }
  const beside: Record<string, (tree: DiskTree) => void> = {
    'another manifest was pushed': tree => { tree.push(app, m3, { blobs: [b3] }) },
    'the same was pushed again': tree => { tree.push(app, m1, { blobs: [b1] }) },
    'another went': tree => { removeFrom(tree, { repository: app, manifests: [m2], layers: [b2] }) },
    'one went and another came': tree => {
      removeFrom(tree, { repository: app, manifests: [m2], layers: [b2] })
      tree.push(app, m3, { blobs: [b3] })
    },
    'all went': tree => { tree.remove(paths.repositoryDirectory(app)) }
  }
  for (const [name, change, when] of Object.entries(beside).flatMap(([name, change]) => ['before', 'beside'].map(when => [name, change, when] as const))) {
    // That one may have come in the place of another in the same moment is what cannot be seen.
    if (name === 'one went and another came' && when === 'beside') continue
    const { tree, index } = await setUp(t, true)
    for (const [manifest, blobs] of [[m1, [b1]], [m2, [b2]]] as const) tree.push(app, manifest, { blobs })
    await index.build()
    await index.verify()
    if (when === 'before') change(tree)
    const tell = await index.removing(removed)
    removeFrom(tree, removed)
    if (when === 'beside') change(tree)
    await tell()
    await index.verify()
    const truth = await scanReferences(new TreeReader(tree.root))
    for (const digest of [m1, m2, m3, b1, b2, b3]) t.same(index.users(digest).sort(), [...truth.users.get(digest) ?? []].sort(), `${when}, ${name}: ${digest}`)
  }
})

t.test('what was pushed around the gate within the same tick as a deletion is found by the next pass', async t => {
  const { tree, index, disk } = await setUp(t, true)
  disk.isCoarse = true
  for (const [manifest, blobs] of [[m1, [b1]], [m2, [b2]]] as const) tree.push(app, manifest, { blobs })
  await index.build()
  await index.verify()
  const removed = { repository: app, manifests: [m1], layers: [b1] }
  tree.push(app, m3, { blobs: [b3] })
  const tell = await index.removing(removed)
  removeFrom(tree, removed)
  await tell()
  await index.verify()
  t.same([b1, b2, b3].map(digest => index.isUsed(digest)), [false, true, true])
})

t.test('what a deletion was to remove and could not stays known', async t => {
  const { tree, index } = await setUp(t, true)
  for (const [manifest, blobs] of [[m1, [b1]], [m2, [b2]], [m3, [b3]]] as const) tree.push(app, manifest, { blobs })
  await index.build()
  await index.verify()
  const tell = await index.removing({ repository: app, manifests: [m1, m2], layers: [] })
  // As many went as were to go, but not the same.
  removeFrom(tree, { repository: app, manifests: [m1, m3], layers: [] })
  await tell()
  await index.verify()
  t.same([b1, b2, b3].map(digest => index.isUsed(digest)), [false, true, false])
})

t.test('a push that is reported while a removal is being looked at stays', async t => {
  const { tree, index, disk } = await setUp(t, true)
  for (const [manifest, blobs] of [[m1, [b1]], [m2, [b2]]] as const) tree.push(app, manifest, { blobs })
  await index.build()
  await index.verify()
  const removed = { repository: app, manifests: [m1], layers: [] }
  const tell = await index.removing(removed)
  removeFrom(tree, removed)
  // Between the look at what is gone and the look at what is left.
  disk.after.set(paths.revisionDirectory(app, m1), () => {
    tree.push(app, m1, { blobs: [b1] })
    index.linked(app, m1, references({ blobs: [b1] }))
  })
  await tell()
  t.same(index.users(b1), [app])
  await index.verify()
  t.same(index.users(b1), [app])
})

t.test('linked, removed and linked again: the references are the same', async t => {
  const { tree, index } = await setUp(t)
  await index.build()
  for (let time = 0; time < 3; time++) {
    for (const repository of [app, zoo]) {
      tree.push(repository, m1, { blobs: [b1] })
      index.linked(repository, m1, references({ blobs: [b1] }))
    }
    t.same(index.users(b1).sort(), [app, zoo])
    for (const [repository, left] of [[app, [zoo]], [zoo, []]] as const) {
      const removed = { repository, manifests: [m1], layers: [] }
      const tell = await index.removing(removed)
      removeFrom(tree, removed)
      await tell()
      await index.verify()
      t.same(index.users(b1), left)
    }
  }
})

t.test('a verification sees what was there when it was asked for, also while another one runs', async t => {
  const { tree, index, disk } = await setUp(t, true)
  tree.push(app, m1, { blobs: [b1] })
  await index.build()
  await tree.tick()
  let late: Promise<unknown> = Promise.resolve()
  tree.push(app, m2, { blobs: [b2] })
  disk.after.set('revisions/sha256', async () => {
    await tree.tick()
    tree.push(app, m3, { blobs: [b3] })
    late = Promise.all([index.verify(), index.verify()]).then(() => index.isUsed(b3))
  })
  await index.verify()
  t.ok(index.isUsed(b2))
  t.equal(await late, true)
})

t.test('what has not changed is not read again', async t => {
  const { tree, index } = await setUp(t, true)
  for (let number = 0; number < 20; number++) tree.push(app, d(`many ${number}`), { blobs: [d(`blob ${number}`)] })
  await index.build()
  const before = index.work
  t.equal(before.reads, 60)
  await index.verify()
  t.same({ ...index.work, stats: 0 }, { ...before, stats: 0 })
  t.ok(index.work.stats - before.stats <= 7, 'a few directories were looked at')
  await tree.tick()
  tree.push(app, m1, { blobs: [b1] })
  await index.verify()
  t.equal(index.work.reads - before.reads, 3, 'the new link, the manifest, and the link of its layer')
})

t.test('a directory that changed just before it was listed is listed again', async t => {
  const { tree, index } = await setUp(t)
  tree.push(app, m1, { blobs: [b1] })
  await index.build()
  const { lists } = index.work
  await index.verify()
  t.ok(index.work.lists > lists)
})

t.test('a link that appears in a directory that is known', async t => {
  const { tree, index } = await setUp(t, true)
  tree.push(app, m1, { blobs: [b1] })
  tree.remove(paths.revisionLink(app, m1))
  await index.build()
  t.notOk(index.isUsed(b1))
  await tree.tick()
  tree.revision(app, m1)
  await index.verify()
  t.ok(index.isUsed(b1), 'no directory that is watched has changed')
})

/** Damage that is mended without any change of a directory that is watched. */
const damages: ReadonlyArray<{ readonly title: string, readonly path: string, readonly harm: (tree: DiskTree) => void, readonly mend: (tree: DiskTree) => void }> = [
  { title: 'an empty link of a revision', path: paths.revisionLink(app, m1), harm: tree => { tree.revision(app, m1, '') }, mend: tree => { tree.revision(app, m1) } },
  { title: 'a link with nonsense', path: paths.revisionLink(app, m1), harm: tree => { tree.revision(app, m1, `${m1}${m1}${m1}${m1}`) }, mend: tree => { tree.revision(app, m1) } },
  { title: 'a manifest that is missing', path: paths.blobData(m1), harm: tree => { tree.remove(paths.blobData(m1)) }, mend: tree => { tree.write(paths.blobData(m1), manifestText({ blobs: [b1] })) } },
  { title: 'a manifest that is cut', path: paths.blobData(m1), harm: tree => { tree.write(paths.blobData(m1), '{"schema') }, mend: tree => { tree.write(paths.blobData(m1), manifestText({ blobs: [b1] })) } },
  { title: 'an empty link of a layer in use', path: paths.layerLink(app, b1), harm: tree => { tree.layer(app, b1, '') }, mend: tree => { tree.layer(app, b1) } },
  {
    title: 'a link that is a symbolic link',
    path: paths.revisionLink(app, m1),
    harm: tree => { tree.remove(paths.revisionLink(app, m1)); symlinkSync('/dev/null', join(tree.root, paths.revisionLink(app, m1))) },
    mend: tree => { tree.remove(paths.revisionLink(app, m1)); tree.revision(app, m1) }
  }
]

for (const { title, path, harm, mend } of damages) {
  t.test(`${title} is named, and heals`, async t => {
    const { tree, index } = await setUp(t, true)
    tree.push(app, m1, { blobs: [b1] })
    harm(tree)
    await index.build()
    t.same(index.blocking.map(damage => damage.path), [path])
    t.ok(index.isUsed(m1))
    await tree.tick()
    mend(tree)
    await index.verify()
    t.same(index.blocking, [])
    t.same([m1, b1, b2].map(digest => index.isUsed(digest)), [true, true, false])
  })
}

t.test('a link that was removed without its directory is noticed by an audit, which keeps what is known of others', async t => {
  const { tree, index } = await setUp(t, true)
  tree.push(app, m1, { blobs: [b1] })
  tree.push(app, m2, { blobs: [b2] })
  await index.build()
  await tree.tick()
  tree.remove(paths.revisionLink(app, m1))
  tree.revision(app, m2, '')
  await index.verify()
  t.ok(index.isUsed(b1), 'a verification does not look at every link')
  await index.audit()
  t.same([m1, b1, m2, b2].map(digest => index.isUsed(digest)), [false, false, true, true])
  tree.revision(app, m1)
  await index.verify()
  t.ok(index.isUsed(b1))
})

t.test('what is damaged after it was read stays known', async t => {
  const { tree, index } = await setUp(t)
  tree.push(app, m1, { blobs: [b1] })
  await index.build()
  tree.revision(app, m1, '')
  tree.remove(paths.blobDirectory(m1))
  await index.verify()
  t.ok(index.isUsed(b1))
})

t.test('symbolic links are not followed', async t => {
  const { tree, index } = await setUp(t)
  const elsewhere = new DiskTree(join(tree.root, '..', 'elsewhere'))
  elsewhere.push(app, m1, { blobs: [b1] })
  mkdirSync(join(tree.root, paths.repositoryDirectory(app), '_layers'), { recursive: true })
  symlinkSync(join(elsewhere.root, paths.manifestsDirectory(app)), join(tree.root, paths.manifestsDirectory(app)))
  await index.build()
  t.same([index.isUsed(b1), index.blocking.map(({ path }) => path)], [false, [paths.manifestsDirectory(app)]])
  tree.remove(paths.manifestsDirectory(app))
  mkdirSync(join(tree.root, paths.manifestsDirectory(app)))
  symlinkSync(join(elsewhere.root, paths.revisionsDirectory(app)), join(tree.root, paths.revisionsDirectory(app)))
  await index.verify()
  t.same([index.isUsed(b1), index.blocking.map(({ path }) => path)], [false, [paths.revisionsDirectory(app)]])
})

t.test('a directory that cannot be read: what is known of it stays, and nothing may be swept', async t => {
  const { tree, index, disk } = await setUp(t)
  tree.push(app, m1, { blobs: [b1] })
  await index.build()
  for (const path of ['revisions', 'revisions/sha256', 'team', '_layers']) {
    disk.after.set(path, () => { throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO', syscall: 'scandir' }) })
    await index.verify()
    t.match(index.blocking, [{ kind: 'tree', reason: 'it cannot be read: EIO on scandir' }], path)
    t.ok(index.isUsed(b1))
    await index.verify()
    t.same(index.blocking, [])
  }
})

t.test('content that is named by another algorithm than it is stored by', async t => {
  const named = d512('b1')
  const content = { blobs: [named, b2] }

  t.test('found on the disk', async t => {
    const { tree, index } = await setUp(t)
    tree.push(app, m1, content)
    tree.push(zoo, m2, { blobs: [b3] })
    tree.layer(zoo, named)
    await index.build()
    t.same([named, b1].map(digest => index.users(digest)), [[app], [app]], 'a link that no manifest of its repository uses is no use')
    t.same(index.linkedIn(b1).sort(), [app, zoo])
    tree.remove(paths.revisionDirectory(app, m1))
    await index.verify()
    t.same([named, b1].map(digest => index.isUsed(digest)), [false, false])
  })

  t.test('reported, with what it is stored as', async t => {
    const { index } = await setUp(t)
    await index.build()
    index.linked(app, m1, references(content), new Map([[named, b1]]))
    t.same([named, b1, b3].map(digest => index.isUsed(digest)), [true, true, false])
  })

  t.test('reported, without: nothing counts as unused until it has been read', async t => {
    const { tree, index } = await setUp(t)
    await index.build()
    tree.push(app, m1, content)
    index.linked(app, m1, references(content))
    t.ok(index.isUsed(b3))
    await index.verify()
    t.same([named, b1, b3].map(digest => index.isUsed(digest)), [true, true, false])
    index.linked(app, m2, references(content))
    t.notOk(index.isUsed(b3), 'it is known from now on')
  })

  t.test('reported while the disk is read: the next reading finds out', async t => {
    const { tree, index, disk } = await setUp(t, true)
    disk.after.set('repositories', () => {
      tree.push(app, m1, content)
      index.linked(app, m1, references(content))
    })
    await index.build()
    t.ok(index.isUsed(b3))
    await tree.tick()
    await index.verify()
    t.same([named, b1, b3].map(digest => index.isUsed(digest)), [true, true, false])
  })
})

t.test('what is removed gives its memory to what comes', async t => {
  const { index } = await setUp(t)
  await index.build()
  const round = (from: number): void => {
    for (let number = from; number < from + 2_000; number++) {
      const manifest = d(`manifest ${number}`)
      index.linked(app, manifest, references({ blobs: [1, 2, 3].map(blob => d(`blob ${number} ${blob}`)) }))
    }
  }
  round(0)
  await index.verify()
  const { bytes, digests } = index.stats()
  t.equal(digests, 0, 'nothing is left')
  for (let time = 1; time < 4; time++) {
    round(time * 2_000)
    await index.verify()
  }
  t.ok(index.stats().bytes <= bytes * 1.1, `${bytes}, then ${index.stats().bytes}`)
})
