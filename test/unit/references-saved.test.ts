/** A saved index is used only where it is whole, of this version, about this tree, and as far as nothing has changed. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readBlocks, writeBlocks, type Block } from '../../src/references/file.js'
import { BLOCK, VERSION, type Head } from '../../src/references/format.js'
import { ReferenceIndex } from '../../src/references/index.js'
import { PacedDisk } from '../../src/storage/paced.js'
import * as paths from '../../src/storage/paths.js'
import { TreeReader } from '../../src/storage/read.js'
import { scanReferences } from '../../src/storage/scan.js'
import { temporaryDirectory } from '../support/temporary.js'
import { d, d512 } from './repository.js'
import { DiskTree, manifestText, repository } from './references-tree.js'

const app = repository('team/app')
const zoo = repository('zoo')
const [m1, m2, m3] = [d('m1'), d('m2'), d('m3')]
const [b1, b2, b3] = [d('b1'), d('b2'), d('b3')]
const later = () => Date.now() + 3_600_000

/** Lets something happen while the index is loaded. */
class InterruptedDisk extends PacedDisk {
  constructor (private interrupt: (() => void) | undefined) { super() }

  override async breathe (): Promise<void> {
    await super.breathe()
    const interrupt = this.interrupt
    this.interrupt = undefined
    interrupt?.()
  }
}

interface Saved { readonly tree: DiskTree, readonly file: string, start (disk?: PacedDisk): ReferenceIndex }

async function saved (t: Test): Promise<Saved> {
  const directory = await temporaryDirectory(t)
  const tree = new DiskTree(join(directory, 'v2'))
  const file = join(directory, 'index')
  tree.push(app, m1, { blobs: [b1, d512('b1')] })
  tree.push(app, m3, { manifests: [m1] })
  tree.push(zoo, m2, { blobs: [b2] })
  const start = (disk = new PacedDisk()): ReferenceIndex => new ReferenceIndex(new TreeReader(tree.root), { file, disk, now: later })
  const index = start()
  t.equal(await index.save(file), false, 'not before it is complete')
  await index.build()
  t.equal(await index.save(file), true)
  t.equal(await index.save(file), false, 'there is nothing new')
  await tree.tick()
  return { tree, file, start }
}

const answers = (index: ReferenceIndex) => [m1, m2, m3, b1, b2, b3, d512('b1')].map(digest => [index.users(digest).sort(), index.linkedIn(digest).sort()])

t.test('a start that finds it reads only what is odd', async t => {
  const { tree, file, start } = await saved(t)
  const [read, loaded] = [new ReferenceIndex(new TreeReader(tree.root)), start()]
  await Promise.all([read.build(), loaded.build()])
  t.same(answers(loaded), answers(read))
  t.match(loaded.stats(), { ...read.stats(), bytes: Number })
  t.equal(loaded.work.reads, 1, 'the link of the layer that is named by sha512')
  await loaded.save(file)
  const { lists } = loaded.work
  await loaded.verify()
  t.equal(loaded.work.lists, lists)
  t.equal(await loaded.save(file), false)
})

t.test('changes while nobody looked', async t => {
  const { tree, start } = await saved(t)
  tree.push(zoo, m3, { manifests: [m1] })
  tree.push(repository('new'), m1, { blobs: [b1] })
  tree.remove(paths.revisionDirectory(zoo, m2))
  const index = start()
  await index.build()
  t.same([m1, m2, m3].map(digest => index.users(digest).sort()), [['new', app, zoo], [], [app, zoo]])
  t.same(index.blocking, [])
})

const harms: ReadonlyArray<readonly [string, (bytes: Buffer) => Buffer]> = [
  ['that is empty', () => Buffer.alloc(0)],
  ['that is shorter than its checksum', bytes => bytes.subarray(0, 20)],
  ['that lacks its last byte', bytes => bytes.subarray(0, -1)],
  ['that was cut in the middle', bytes => bytes.subarray(0, bytes.length / 2)],
  ['with more at its end', bytes => Buffer.concat([bytes, Buffer.alloc(40)])],
  ...[0, 10, 0.3, 0.6, 0.9, -1].map(at => [`with one bit changed at ${at}`, (bytes: Buffer) => {
    bytes[at === -1 ? bytes.length - 1 : at < 1 ? Math.floor(bytes.length * at) : at]! ^= 1
    return bytes
  }] as const)
]

for (const [title, harm] of harms) {
  t.test(`a file ${title} is not used`, async t => {
    const { tree, file, start } = await saved(t)
    writeFileSync(file, harm(readFileSync(file)))
    await assertReadAnew(t, tree, start())
  })
}

/** Whether the whole tree was read. */
async function assertReadAnew (t: Test, tree: DiskTree, index: ReferenceIndex): Promise<void> {
  const read = new ReferenceIndex(new TreeReader(tree.root))
  await Promise.all([read.build(), index.build()])
  t.same(answers(index), answers(read))
  t.same(index.work.reads, read.work.reads)
}

for (const [title, change] of [
  ['of another version', (head: Head) => ({ ...head, version: VERSION + 1 })],
  ['about another tree', (head: Head) => ({ ...head, identity: head.identity.replace('v2', 'v3') })],
  ['of something else', (head: Head) => ({ ...head, format: 'else' })]
] as const) {
  t.test(`a file ${title} is not used`, async t => {
    const { tree, file, start } = await saved(t)
    const blocks: Block[] = []
    for await (const block of readBlocks(file)) blocks.push(block.type === BLOCK.head ? { ...block, bytes: Buffer.from(JSON.stringify(change(JSON.parse(block.bytes.toString()) as Head))) } : block)
    t.ok(blocks.length > 4)
    await writeBlocks(file, blocks)
    await assertReadAnew(t, tree, start())
  })
}

t.test('nor one about a tree that was in the same place before', async t => {
  const { tree, file, start } = await saved(t)
  tree.remove(paths.REPOSITORIES)
  // Keeps the inode from being used again.
  writeFileSync(join(tree.root, 'other'), '')
  new DiskTree(join(tree.root)).push(zoo, m1, { blobs: [b1] })
  const index = start()
  await index.build()
  t.same([index.users(m1), index.users(m2)], [[zoo], []])
  rmSync(file)
  await assertReadAnew(t, tree, start())
})

t.test('what the gate reports while it is loaded is newer', async t => {
  const { tree, start } = await saved(t)
  const disk = new InterruptedDisk(() => {
    tree.push(app, m2, { blobs: [b3] })
    index.linked(app, m2, { mediaType: 'a', blobs: [b3], manifests: [], subject: undefined })
    tree.remove(paths.revisionDirectory(zoo, m2))
  })
  const index = start(disk)
  await index.build()
  t.same([m1, m2, b3].map(digest => index.users(digest)), [[app], [app], [app]])
  t.same(index.users(b2), [], 'the manifest as it was reported')
})

t.test('what the gate reports while it is saved is right after the next start', async t => {
  const { tree, file } = await saved(t)
  const names = Array.from({ length: 1_300 }, (_, number) => d(`manifest ${number}`))
  const contents = new Map(names.map((name, number) => [name, { blobs: Array.from({ length: 15 + number % 11 }, (_, blob) => d(`blob ${number} ${blob}`)) }]))
  const push = (name: typeof m1): void => {
    tree.write(paths.blobData(name), manifestText(contents.get(name)!))
    tree.revision(app, name)
  }
  names.slice(0, 1_000).forEach(push)
  const reader = new TreeReader(tree.root)
  await tree.tick()
  const index = new ReferenceIndex(reader, { now: later })
  await index.build()
  await tree.tick()
  const link = (name: typeof m1): void => { index.linked(app, name, { mediaType: 'a', ...contents.get(name)!, manifests: [], subject: undefined }) }
  const save = { isRunning: true }
  const saving = index.save(file).finally(() => { save.isRunning = false })
  let number = 0
  for (; save.isRunning && number < 300; number++) {
    const [added, removed] = [names[1_000 + number]!, names[number]!]
    push(added)
    link(added)
    tree.remove(paths.revisionDirectory(app, removed))
    if (number % 20 === 0) await new Promise(resolve => { setImmediate(resolve) })
  }
  t.ok(await saving)
  t.ok(number > 3, `${number} reports came while it was saved`)
  // What was unlinked then comes again, and must not have got the references of what came in its place.
  for (let again = 0; again < number; again++) push(names[again]!)
  const next = new ReferenceIndex(reader, { file, now: later })
  await next.build()
  t.ok(next.work.reads < 2_000, `${next.work.reads} files were read`)
  const { users } = await scanReferences(reader)
  for (const which of [index, next]) {
    await which.verify()
    const wrong = [...contents].flatMap(([name, { blobs }]) => [name, ...blobs]).filter(digest => which.isUsed(digest) !== users.has(digest))
    t.same(wrong, [])
  }
})
