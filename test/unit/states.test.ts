/** Repositories kept in memory are what is on the disk, whatever happens behind their back. On real directories. */
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { plan } from '../../src/deletion/planner.js'
import type { Plan } from '../../src/deletion/plan.js'
import type { Digest } from '../../src/oci/digest.js'
import type { RepositoryName, Tag } from '../../src/oci/name.js'
import { isTrusted } from '../../src/storage/directories.js'
import * as paths from '../../src/storage/paths.js'
import { TreeReader } from '../../src/storage/read.js'
import type { RepositoryState } from '../../src/storage/state.js'
import { RepositoryStates } from '../../src/storage/states.js'
import { Chance } from '../support/random.js'
import { APP, d, d512, planOf, purge, tag } from './repository.js'

const IMAGE = 'application/vnd.oci.image.manifest.v1+json'

/** Counts what is read. */
class CountingReader extends TreeReader {
  count = { tags: 0, revisions: 0, layers: 0, lists: 0 }
  override async tag (name: RepositoryName, tag: Tag) { this.count.tags++; return await super.tag(name, tag) }
  override async revision (name: RepositoryName, digest: Digest) { this.count.revisions++; return await super.revision(name, digest) }
  override async layer (name: RepositoryName, digest: Digest) { this.count.layers++; return await super.layer(name, digest) }
  override async list (...of: Parameters<TreeReader['list']>) { this.count.lists++; return await super.list(...of) }
}

/** A repository's directory, written as a registry writes it. */
class Tree {
  /** Each file is written a little later than the one before, and all of them an hour ago: they have settled. */
  #clock = Date.now() - 3_600_000

  constructor (readonly root: string, readonly name = APP) {}

  async write (path: string, text: string, at = this.#clock += 7): Promise<void> {
    await mkdir(dirname(join(this.root, path)), { recursive: true })
    await writeFile(join(this.root, path), text)
    await utimes(join(this.root, path), at / 1000, at / 1000)
  }

  async remove (path: string): Promise<void> { await rm(join(this.root, path), { recursive: true, force: true }) }

  async manifest (name: string, blobs: readonly string[]): Promise<Digest> {
    await this.write(paths.blobData(d(name)), JSON.stringify({ schemaVersion: 2, mediaType: IMAGE, config: { digest: d(blobs[0]!) }, layers: blobs.slice(1).map(blob => ({ digest: d(blob) })) }))
    return d(name)
  }

  async layers (blobs: readonly string[]): Promise<void> {
    for (const blob of blobs) await this.write(paths.layerLink(this.name, d(blob)), d(blob))
  }

  async revision (name: string): Promise<void> { await this.write(paths.revisionLink(this.name, d(name)), d(name)) }

  async tag (name: string, points: string): Promise<void> {
    await this.write(join(paths.tagHistoryEntry(this.name, tag(name), d(points)), 'link'), d(points))
    await this.write(paths.tagCurrentLink(this.name, tag(name)), d(points))
  }

  async push (name: string, points: string, blobs: readonly string[]): Promise<void> {
    await this.layers(blobs)
    await this.manifest(points, blobs)
    await this.revision(points)
    await this.tag(name, points)
  }
}

async function tree (t: Test): Promise<{ tree: Tree, reader: CountingReader, states: RepositoryStates }> {
  const root = await mkdtemp(join(tmpdir(), 'delgate-states-'))
  t.teardown(async () => { await rm(root, { recursive: true, force: true }) })
  const reader = new CountingReader(root)
  return { tree: new Tree(root), reader, states: new RepositoryStates(reader) }
}

/** A state as text, whatever the order of its parts. */
const shown = (state: RepositoryState): string => JSON.stringify({
  ...state,
  tags: [...state.tags].sort(),
  revisions: [...state.revisions].sort(),
  layers: [...state.layers].sort(),
  damages: state.damages.map(damage => JSON.stringify(damage)).sort()
}, (_, value: unknown) => value === undefined ? null : value, 1)

const TAGS = ['v1', 'v2', 'v3', 'latest']
const MANIFESTS = ['m0', 'm1', 'm2', 'm3', 'm4', 'm5']
const BLOBS = ['b0', 'b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7']

type Change = (tree: Tree, chance: Chance, states: RepositoryStates, now: RepositoryState & { readonly unused: Unused }) => Promise<void>

/**
 * Names that are neither there now nor were there when the repository was last asked for: what goes and comes back
 * around the gate in between is not noticed until a plan is about it.
 */
interface Unused { readonly tags: readonly string[], readonly manifests: readonly string[], readonly blobs: readonly string[], readonly alias: boolean }

async function look (reader: TreeReader, last: RepositoryState | undefined): Promise<RepositoryState & { readonly unused: Unused }> {
  const now = await reader.repository(APP)
  return {
    ...now,
    unused: {
      tags: TAGS.filter(name => !now.tags.has(tag(name)) && last?.tags.has(tag(name)) !== true),
      manifests: MANIFESTS.filter(name => !now.revisions.has(d(name)) && last?.revisions.has(d(name)) !== true),
      blobs: BLOBS.filter(name => !now.layers.has(d(name)) && last?.layers.has(d(name)) !== true),
      alias: !now.layers.has(d512('b0')) && last?.layers.has(d512('b0')) !== true
    }
  }
}

/** What may happen to a repository, through the gate or behind its back. */
const CHANGES: Readonly<Record<string, Change>> = {
  async 'a push through the gate' (tree, chance, states) {
    const [name, points, blobs] = [chance.one(TAGS), chance.one(MANIFESTS), ['config', ...chance.some(BLOBS, 0.3)]]
    await tree.layers(blobs)
    blobs.forEach(blob => { states.layerLinked(APP, d(blob)) })
    await tree.manifest(points, blobs)
    await tree.revision(points)
    await tree.tag(name, points)
    states.pushed(APP, { tag: tag(name) }, d(points))
  },
  async 'a manifest pushed by digest through the gate' (tree, chance, states) {
    const points = chance.one(MANIFESTS)
    await tree.manifest(points, ['config'])
    await tree.revision(points)
    states.pushed(APP, { digest: d(points) }, d(points))
  },
  async 'a new manifest behind its back, to which a tag is moved' (tree, chance, states, { unused }) {
    const points = unused.manifests[0]
    if (points === undefined) return
    await tree.manifest(points, ['config'])
    // What was written just now is read before its tag.
    const isNew = chance.happens(0.5)
    await tree.write(paths.revisionLink(APP, d(points)), d(points), isNew ? Date.now() : undefined)
    if (isNew) await states.repository(APP)
    await tree.tag(chance.one(TAGS), points)
  },
  async 'a new tag behind its back' (tree, _, __, { unused, revisions }) {
    const [name, points] = [unused.tags[0], MANIFESTS.find(name => revisions.has(d(name)))]
    if (name !== undefined && points !== undefined) await tree.tag(name, points)
  },
  async 'new layers behind its back' (tree, chance, _, { unused }) {
    await tree.layers(chance.some(unused.blobs, 0.3))
    if (chance.happens(0.3) && unused.alias) await tree.write(paths.layerLink(APP, d512('b0')), d('b0'))
  },
  async 'tags go' (tree, chance) { for (const name of chance.some(TAGS, 0.4)) await tree.remove(paths.tagDirectory(APP, tag(name))) },
  async 'manifests go' (tree, chance) { for (const name of chance.some(MANIFESTS, 0.3)) await tree.remove(paths.revisionDirectory(APP, d(name))) },
  async 'layers go' (tree, chance) { for (const name of chance.some(BLOBS, 0.3)) await tree.remove(paths.layerDirectory(APP, d(name))) },
  async 'a deletion is interrupted' (tree, chance, states) {
    await states.repository(APP)
    const [name, digest, blob] = [tag(chance.one(TAGS)), d(chance.one(MANIFESTS)), d(chance.one(BLOBS))]
    const removed = await states.removing({ repository: APP, tags: [{ tag: name }], history: [{ tag: tag('latest') }], manifests: [digest], layers: [blob], kept: [] })
    await tree.remove(dirname(paths.tagCurrentLink(APP, name)))
    await tree.remove(paths.tagHistoryEntry(APP, tag('latest'), digest))
    if (chance.happens(0.5)) await tree.remove(paths.revisionLink(APP, digest))
    if (chance.happens(0.5)) await tree.remove(paths.layerLink(APP, blob))
    await removed()
  },
  async 'a deletion' (tree, chance, states, { revisions, layers }) {
    // Planned on what there is.
    await states.repository(APP)
    const [manifests, blobs] = [chance.some([...revisions.keys()], 0.3), chance.some([...layers.keys()], 0.3)]
    if (chance.happens(0.2)) manifests.push(d('never there'))
    const removed = await states.removing({ repository: APP, tags: [], history: [], manifests, layers: blobs, kept: [] })
    for (const digest of manifests) await tree.remove(paths.revisionDirectory(APP, digest))
    for (const digest of blobs) await tree.remove(paths.layerDirectory(APP, digest))
    // Beside it a push adds layers, or something was not removed after all.
    const pushed = chance.one(BLOBS)
    if (chance.happens(0.3)) await tree.layers([pushed]).then(() => { states.layerLinked(APP, d(pushed)) })
    await removed()
  },
  async 'new directories have no link, or an empty one' (tree, chance, _, { unused }) {
    const links = [
      ...unused.tags.map(name => paths.tagCurrentLink(APP, tag(name))),
      ...unused.manifests.map(name => paths.revisionLink(APP, d(name))),
      ...unused.blobs.map(name => paths.layerLink(APP, d(name)))
    ]
    for (const path of chance.some(links, 0.2)) {
      if (chance.happens(0.5)) await mkdir(dirname(join(tree.root, path)), { recursive: true })
      else await tree.write(path, chance.one(['', 'no digest']))
    }
  },
  async 'what is damaged heals' (tree, chance, _, { tags, revisions, layers }) {
    for (const [name, state] of tags) if (state.current === undefined) await tree.tag(name, chance.one(MANIFESTS))
    for (const name of MANIFESTS) if (revisions.get(d(name))?.readable === false) await tree.manifest(name, ['config', 'b1']).then(async () => { await tree.revision(name) })
    for (const name of BLOBS) if (layers.has(d(name)) && layers.get(d(name))!.target === undefined) await tree.layers([name])
  },
  async 'a manifest without its blob' (tree, _, __, { unused }) {
    const name = unused.manifests[0]
    if (name === undefined) return
    await tree.remove(paths.blobDirectory(d(name)))
    await tree.revision(name)
  },
  async 'odd names' (tree, chance) {
    const odd = join(chance.one([paths.tagsDirectory(APP), paths.revisionsDirectory(APP), paths.layersDirectory(APP), join(paths.layersDirectory(APP), 'sha256'), paths.repositoryDirectory(APP)]), chance.one(['+odd', 'sha1']))
    if (chance.happens(0.4)) return await tree.remove(odd)
    await mkdir(dirname(join(tree.root, odd)), { recursive: true })
    await (chance.happens(0.5) ? symlink('/nowhere', join(tree.root, odd)) : mkdir(join(tree.root, odd))).catch(() => {})
  },
  async 'uploads come and go' (tree, chance) {
    const upload = join(paths.uploadsDirectory(APP), chance.one(['one', 'two']))
    if (chance.happens(0.5)) await tree.remove(upload)
    else await tree.write(join(upload, chance.one(['data', 'startedat'])), 'bytes')
  },
  async 'half of the repository goes, or all' (tree, chance) {
    if (chance.happens(0.5)) await tree.remove(chance.one([paths.manifestsDirectory(APP), paths.layersDirectory(APP), paths.uploadsDirectory(APP), paths.tagsDirectory(APP), paths.repositoryDirectory(APP)]))
  },
  async 'everything is forgotten' (_, __, states) { states.forget(APP) }
}

const SEEDS = 6
const STEPS = 30

t.test('the same as reading everything', async t => {
  let compared = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { tree: one, reader, states } = await tree(t)
    const chance = new Chance(seed)
    const held: Array<{ state: RepositoryState, text: string }> = []
    const steps: string[] = []
    for (let step = 0; step < STEPS; step++) {
      for (let changes = 1 + chance.upTo(3); changes > 0; changes--) {
        const [what, change] = chance.one(Object.entries(CHANGES))
        steps.push(what)
        await change(one, chance, states, await look(reader, held.at(-1)?.state))
      }
      steps.push('read')
      const state = await states.repository(APP)
      const [kept, read] = [shown(state), shown(await reader.repository(APP))]
      if (kept !== read) return t.equal(kept, read, `seed ${seed}: ${steps.join('; ')}`)
      held.push({ state, text: kept })
      compared++
    }
    if (held.some(({ state, text }) => shown(state) !== text)) return t.fail(`seed ${seed}: a state that was handed out has changed`)
  }
  t.equal(compared, SEEDS * STEPS)
})

t.test('nothing is read again that has not changed', async t => {
  const { tree: one, reader, states } = await tree(t)
  for (let at = 0; at < 20; at++) await one.push(`v${at}`, `m${at}`, ['config', `layer ${at}`])
  const first = await states.repository(APP)
  t.match(reader.count, { tags: 20, revisions: 20, layers: 21 })
  await until(async () => { const before = reader.count.lists; await states.repository(APP); return reader.count.lists - before === 1 })
  t.match(reader.count, { tags: 20, revisions: 20, layers: 21 }, 'only the repository\'s own directory is listed')
  t.equal(await states.repository(APP), first, 'the same object')

  await one.layers(['config', 'new'])
  states.layerLinked(APP, d('new'))
  await one.manifest('new', ['config', 'new'])
  await one.revision('new')
  await one.tag('v1', 'new')
  states.pushed(APP, { tag: tag('v1') }, d('new'))
  const second = await states.repository(APP)
  t.match(reader.count, { tags: 21, revisions: 21, layers: 22 }, 'what was pushed through the gate')
  t.equal(second.tags.get(tag('v1'))?.current, d('new'))
  t.equal(first.tags.get(tag('v1'))?.current, d('m1'), 'the earlier state is still what it was')

  await one.tag('v2', 'm3')
  t.equal((await states.repository(APP, { tag: tag('v2') })).tags.get(tag('v2'))?.current, d('m3'), 'a tag that is named is read again')
  t.match(reader.count, { tags: 22, revisions: 21, layers: 22 })
})

t.test('a revision whose tag is still being written', async t => {
  const { tree: one, states } = await tree(t)
  await one.push('v1', 'm1', ['config'])
  await one.push('v2', 'm2', ['config'])
  await states.repository(APP)
  await one.manifest('m3', ['config'])
  await one.write(paths.revisionLink(APP, d('m3')), d('m3'), Date.now())
  t.ok((await states.repository(APP)).revisions.has(d('m3')))
  await one.tag('v2', 'm3')
  t.equal((await states.repository(APP)).tags.get(tag('v2'))?.current, d('m3'))
})

t.test('a directory that has just changed is listed again', t => {
  const at = (time: number): Parameters<typeof isTrusted>[0] => ({ inode: 1, modifiedAt: time, changedAt: time, links: 2 })
  t.ok(isTrusted(at(1_000_000.25), 1_000_100))
  t.notOk(isTrusted(at(1_000_000.25), 1_000_010), 'one more change may bear the same time')
  t.notOk(isTrusted(at(1_000_000), 1_001_000), 'a file system that keeps whole seconds')
  t.ok(isTrusted(at(1_000_000), 1_003_000))
  t.notOk(isTrusted(at(2_000_000.25), 1_000_000), 'another machine\'s clock')
  t.end()
})

t.test('those who ask at once share a reading, and nobody gets one that began before', async t => {
  const { tree: one, reader, states } = await tree(t)
  await one.push('v1', 'm1', ['config'])
  const first = states.repository(APP)
  await new Promise(resolve => setImmediate(resolve))
  const pushed = one.push('v2', 'm2', ['config'])
  const during = [states.repository(APP), states.repository(APP, { tag: tag('v1') })]
  await pushed
  const after = states.repository(APP)
  t.ok((await after).tags.has(tag('v2')))
  t.equal(await during[0], await during[1], 'shared')
  t.ok((await first).tags.has(tag('v1')))
  states.forget(APP)
  const tags = reader.count.tags
  await Promise.all([states.repository(APP), states.repository(APP)])
  t.equal(reader.count.tags, tags + 2, 'after forgetting, once for both')
})

t.test('forgotten while it is read', async t => {
  const { tree: one, states } = await tree(t)
  await one.push('v1', 'm1', ['config'])
  await states.repository(APP)
  const running = states.repository(APP)
  await new Promise(resolve => setImmediate(resolve))
  await one.tag('v1', 'm2')
  states.forget(APP)
  await running
  t.equal((await states.repository(APP)).tags.get(tag('v1'))?.current, d('m2'))
})

t.test('the least recently used repositories are forgotten', async t => {
  const { tree: { root }, reader } = await tree(t)
  const names = ['one', 'two', 'three'] as RepositoryName[]
  for (const name of names) await new Tree(root, name).push('v1', 'm1', ['config', 'b1'])
  const states = new RepositoryStates(reader, { maximum: 11 })
  for (const name of ['one', 'two', 'one', 'three', 'one', 'two'] as RepositoryName[]) await states.repository(name)
  // Each holds five: two fit. Two goes when three comes.
  t.equal(reader.count.tags, 4)
  const small = new RepositoryStates(reader, { maximum: 1 })
  for (let at = 0; at < 3; at++) await small.repository('one' as RepositoryName)
  t.equal(reader.count.tags, 5, 'one is kept, however large')
})

t.test('whether a plan is about what is still there', async t => {
  const { tree: one, states, reader } = await tree(t)
  const planned = async (target: Parameters<typeof plan>[1]): Promise<{ state: RepositoryState, made: Plan }> => {
    const state = await states.repository(APP)
    return { state, made: planOf(plan(state, target, purge)) }
  }
  const tagged = (name: string): Parameters<typeof plan>[1] => ({ type: 'tag', repository: APP, tag: tag(name) })
  await one.push('v1', 'm1', ['config', 'b1'])
  await one.push('v2', 'm2', ['config', 'b2'])
  await one.push('v3', 'm3', ['config', 'b3'])

  await t.test('a tag was moved around the gate to the manifest that is to go', async t => {
    const { state, made } = await planned(tagged('v1'))
    t.same(made.manifests, [d('m1')])
    t.ok(await states.isCurrent(state, made))
    await one.revision('m1')
    await one.tag('v2', 'm1')
    t.notOk(await states.isCurrent(state, made))
    const again = await planned(tagged('v1'))
    t.same(again.made.manifests, [], 'it stays')
    t.ok(await states.isCurrent(again.state, again.made))
  })

  await t.test('a tag was moved away from the manifest that is to go', async t => {
    const { state, made } = await planned({ type: 'manifest', repository: APP, digest: d('m3') })
    t.same(made.tags.map(({ tag }) => tag), ['v3'])
    await one.revision('m2')
    await one.tag('v3', 'm2')
    t.notOk(await states.isCurrent(state, made))
    t.same((await planned({ type: 'manifest', repository: APP, digest: d('m3') })).made.tags, [], 'the tag stays')
    await one.revision('m3')
    await one.tag('v3', 'm3')
    states.forget(APP)
  })

  await t.test('a tag that keeps a manifest was moved away', async t => {
    const { state, made } = await planned(tagged('v1'))
    t.same(made.kept.map(({ tags }) => tags), [['v2']])
    await one.revision('m2')
    await one.tag('v2', 'm2')
    t.notOk(await states.isCurrent(state, made))
    t.same((await planned(tagged('v1'))).made.manifests, [d('m1')], 'nothing keeps it any more')
  })

  await t.test('a layer that is to go was uploaded again', async t => {
    const { state, made } = await planned(tagged('v1'))
    t.ok(made.layers.includes(d('b1')))
    await one.layers(['b1'])
    t.notOk(await states.isCurrent(state, made))
    const again = await planned(tagged('v1'))
    t.ok(await states.isCurrent(again.state, again.made))
  })

  await t.test('a push through the gate hides one around it', async t => {
    await states.repository(APP)
    await one.revision('m3')
    await one.tag('v2', 'm3')
    await one.revision('m3')
    await one.tag('v3', 'm3')
    states.pushed(APP, { tag: tag('v3') }, d('m3'))
    const { state, made } = await planned(tagged('v3'))
    t.notOk(await states.isCurrent(state, made))
    t.notOk((await planned(tagged('v3'))).made.manifests.includes(d('m3')), 'the other tag is seen')
    t.same((await states.repository(APP)).tags, (await reader.repository(APP)).tags)
  })
})

async function until (condition: () => Promise<boolean>): Promise<void> {
  for (let turns = 0; turns < 10_000; turns++) if (await condition()) return
  throw new Error('it does not come to be')
}
