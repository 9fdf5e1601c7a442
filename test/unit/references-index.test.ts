/** The reference index between two readings of the disk: reports of the gate, what heals, and each order in which things can happen. */
import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Digest } from '../../src/oci/digest.js'
import type { ManifestReferences } from '../../src/oci/manifest.js'
import { ReferenceIndex } from '../../src/references/index.js'
import { PacedDisk } from '../../src/storage/paced.js'
import * as paths from '../../src/storage/paths.js'
import { TreeReader } from '../../src/storage/read.js'
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

t.test('what is unlinked just after its link was read does not come back, and takes nothing else with it', async t => {
  const { tree, index, disk } = await setUp(t)
  for (const [manifest, blobs] of [[m1, [b1, b2]], [m2, [b2]]] as const) tree.push(app, manifest, { blobs })
  disk.after.set(paths.revisionLink(app, m1), () => {
    rmSync(join(tree.root, paths.revisionLink(app, m1)))
    index.unlinked(app, m1)
  })
  await index.build()
  t.same([m1, b1, b2].map(digest => index.isUsed(digest)), [false, false, true])
  await index.verify()
  t.same([m1, b1, b2].map(digest => index.isUsed(digest)), [false, false, true])
  tree.revision(app, m1)
  await index.verify()
  t.same([m1, b1, b2].map(digest => index.isUsed(digest)), [true, true, true], 'the link was written again, in the directory that had stayed')
})

t.test('unlinked before the first reading has come to the repository', async t => {
  const { tree, index, disk } = await setUp(t)
  tree.push(app, m1, { blobs: [b1] })
  disk.after.set('repositories', () => {
    tree.remove(paths.revisionLink(app, m1))
    index.unlinked(app, m1)
  })
  await index.build()
  t.same([m1, b1].map(digest => index.isUsed(digest)), [false, false])
})

t.test('linked, unlinked and linked again: the references are the same', async t => {
  const { tree, index } = await setUp(t)
  await index.build()
  for (let time = 0; time < 3; time++) {
    tree.push(app, m1, { blobs: [b1] })
    index.linked(app, m1, references({ blobs: [b1] }))
    index.linked(zoo, m1, references({ blobs: [b1] }))
    t.same(index.users(b1).sort(), [app, zoo])
    index.unlinked(app, m1)
    t.same(index.users(b1), [zoo])
    index.unlinked(zoo, m1)
    index.unlinked(zoo, m1)
    t.same([m1, b1].map(digest => index.isUsed(digest)), [false, false])
  }
  await index.verify()
  t.same(index.users(b1), [app], 'the disk says so')
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
    const pushed: Digest[] = []
    for (let number = from; number < from + 2_000; number++) {
      const manifest = d(`manifest ${number}`)
      index.linked(app, manifest, references({ blobs: [1, 2, 3].map(blob => d(`blob ${number} ${blob}`)) }))
      pushed.push(manifest)
    }
    for (const manifest of pushed) index.unlinked(app, manifest)
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
