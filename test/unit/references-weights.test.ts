/** Sizes and weights of the reference index, against sets that are counted one by one. */
import { statSync, writeFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { DigestTable } from '../../src/references/digests.js'
import { GRAPH_FIELDS } from '../../src/references/graph.js'
import { ReferenceIndex } from '../../src/references/index.js'
import { SIZE_FIELDS, Sizes } from '../../src/references/sizes.js'
import type { Digest } from '../../src/oci/digest.js'
import * as paths from '../../src/storage/paths.js'
import { TreeReader } from '../../src/storage/read.js'
import { Chance } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'
import { d, d512 } from './repository.js'
import { ALL, DiskTree, repository, RandomTree } from './references-tree.js'

const sizeOf = (digest: Digest): number => digest.startsWith('sha512:') ? 0 : 10 ** (ALL.indexOf(digest) % 8)

t.test('sizes of any number of bytes', async t => {
  const digests = new DigestTable(GRAPH_FIELDS + SIZE_FIELDS)
  const sizes = new Sizes(digests)
  const id = digests.acquire(d('a'))
  t.equal(sizes.get(id), undefined)
  for (const bytes of [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 7, Number.MAX_SAFE_INTEGER - 1]) {
    sizes.set(id, bytes)
    t.equal(sizes.get(id), bytes)
  }
  digests.release(id)
  t.equal(sizes.get(digests.acquire(d('b'))), undefined, 'a number that is used again has no size')
})

t.test('weights of trees made at random, also after a restart', async t => {
  let shared = 0
  for (let seed = 1; seed <= 20; seed++) {
    const tree = new RandomTree(await temporaryDirectory(t), new Chance(seed), false)
    for (let count = 0; count < 40; count++) tree.change()
    const reader = new TreeReader(tree.root)
    const file = join(tree.root, 'index')
    const index = new ReferenceIndex(reader, { file })
    await index.build()
    // The registry stores under sha256, whatever the name is.
    for (const digest of ALL) if (sizeOf(digest) > 0) index.weights.measured(digest, sizeOf(digest))
    await index.save(file)
    const loaded = new ReferenceIndex(reader, { file })
    await loaded.build()
    for (const one of [index, loaded]) shared += await compare(reader, one, `seed ${seed}`)
  }
  t.ok(shared > 10, `${shared} blobs were shared`)

  async function compare (reader: TreeReader, index: ReferenceIndex, title: string): Promise<number> {
    const uses = new Map<string, Set<Digest>>()
    const manifests = new Map<string, number>()
    for (const name of await reader.repositories()) {
      const state = await reader.repository(name)
      const used = new Set<Digest>()
      for (const [digest, revision] of state.revisions) {
        used.add(digest)
        if (revision.readable) for (const one of [...revision.references.blobs, ...revision.references.manifests]) used.add(state.layers.get(one)?.target ?? one)
      }
      uses.set(name, used)
      manifests.set(name, state.revisions.size)
    }
    const bytesOf = (digests: Iterable<Digest>): number => [...digests].reduce((sum, digest) => sum + sizeOf(digest), 0)
    const usersOf = (digest: Digest): string[] => [...uses].filter(([, used]) => used.has(digest)).map(([name]) => name)
    for (const [name, used] of uses) {
      const own = [...used].filter(digest => usersOf(digest).length === 1)
      t.match(index.weights.repository(repository(name)) ?? { manifests: 0, bytes: 0, ownBytes: 0 }, { manifests: manifests.get(name), bytes: bytesOf(used), ownBytes: bytesOf(own) }, `${title}: ${name}`)
      const shares = new Map([...uses].filter(([other]) => other !== name).map(([other, its]) => [other, bytesOf([...used].filter(digest => its.has(digest)))] as const).filter(([, bytes]) => bytes > 0))
      t.same(new Map([...index.weights.shares(repository(name))].sort()), new Map([...shares].sort()), `${title}: what ${name} shares`)
    }
    const all = new Set([...uses.values()].flatMap(used => [...used]))
    const common = [...all].filter(digest => usersOf(digest).length > 1)
    const { used, shared } = await index.weights.totals()
    const count = (digests: Iterable<Digest>): number => [...digests].filter(digest => sizeOf(digest) > 0).length
    t.same({ used, shared }, { used: { blobs: count(all), bytes: bytesOf(all) }, shared: { blobs: count(common), bytes: bytesOf(common) } }, title)
    return common.length
  }
})

t.test('what some manifests hold alone', async t => {
  const tree = new DiskTree(await temporaryDirectory(t))
  const [app, zoo] = [repository('app'), repository('zoo')]
  const [m1, m2, index1] = [d('m1'), d('m2'), d('i1')]
  tree.push(app, m1, { blobs: [d('b1'), d('common')] })
  tree.push(app, m2, { blobs: [d('b2'), d('common'), d512('x')] })
  tree.push(app, index1, { manifests: [m1, m2] })
  tree.push(zoo, m2, { blobs: [d('b2'), d('common'), d512('x')] })
  const index = new ReferenceIndex(new TreeReader(tree.root))
  await index.build()
  const sizes = [[m1, 1], [m2, 10], [index1, 100], [d('b1'), 1_000], [d('b2'), 10_000], [d('common'), 100_000]] as const
  for (const [digest, bytes] of sizes) index.weights.measured(digest, bytes)
  t.match(index.weights.manifests(app, [m1], [m1]), { bytes: 101_001, ownBytes: 1_000 }, 'the index lists it: only what nothing else uses')
  t.match(index.weights.manifests(app, [index1, m1, m2], [index1, m1, m2]), { bytes: 111_111, ownBytes: 1_101 }, 'zoo keeps the other')
  t.match(index.weights.manifests(app, [m1], []), { bytes: 101_001, ownBytes: 0 })
  t.match(index.weights.manifests(zoo, [m2], [m2]), { bytes: 110_010, ownBytes: 0 })
  t.match(index.weights.manifests(repository('none'), [m2], [m2]), { bytes: 0, ownBytes: 0 })
  t.equal(index.weights.manifests(app, [m2], []).unmeasured.length, 1, 'the layer that was never measured')
})

t.test('what is measured is what is stored', async t => {
  const tree = new DiskTree(await temporaryDirectory(t))
  const app = repository('app')
  tree.push(app, d('m1'), { blobs: [d('b1')] })
  const path = join(tree.root, paths.blobData(d('b1')))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, 'twelve bytes')
  const reader = new TreeReader(tree.root)
  t.equal(await reader.blobSize(d('b1')), statSync(path).size)
})
