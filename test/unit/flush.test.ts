/** What was changed in the tree is flushed before anybody records that it is done. */
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import t, { type Test } from 'tap'
import { GuardedCollection } from '../../src/collection/guarded.js'
import { Aside } from '../../src/storage/aside.js'
import { KeptAside } from '../../src/storage/kept-aside.js'
import * as paths from '../../src/storage/paths.js'
import { TreeWriter } from '../../src/storage/write.js'
import { interposeSync } from '../support/sync.js'
import { temporaryDirectory } from '../support/temporary.js'
import { APP, d, tag } from './repository.js'

const V1 = paths.tagDirectory(APP, tag('v1'))
const TAGS = paths.tagsDirectory(APP)

interface Watched { readonly root: string, readonly writer: TreeWriter, readonly flushed: () => string[] }

/** A tree whose flushed directories are noted, relative to its root; `fails` says for which the disk does not do it. */
async function watched (t: Test, fails: (directory: string) => string | undefined = () => undefined): Promise<Watched> {
  const root = await temporaryDirectory(t)
  for (const file of [paths.tagCurrentLink(APP, tag('v1')), paths.tagCurrentLink(APP, tag('v2')), paths.blobData(d('blob'))]) {
    await mkdir(dirname(join(root, file)), { recursive: true })
    await writeFile(join(root, file), 'text')
  }
  const noted: string[] = []
  await interposeSync(t, root, async ({ path, isDirectory, sync }) => {
    const directory = relative(root, path) || '.'
    const code = fails(directory)
    if (code !== undefined) throw Object.assign(new Error(code), { code })
    await sync()
    if (isDirectory) noted.push(directory)
  })
  return { root, writer: new TreeWriter(root), flushed: () => noted.splice(0).sort() }
}

t.test('of each change the directory that it was in; of one that is gone, the nearest that is left', async t => {
  const { root, writer, flushed } = await watched(t)
  await writer.flush()
  t.same(flushed(), [], 'nothing was changed')
  await writer.remove(V1)
  await writer.flush()
  t.same(flushed(), [TAGS])
  await writer.flush()
  t.same(flushed(), [], 'it is flushed once')
  await writer.linkLayer(APP, d('layer'), d('layer'))
  t.same(flushed(), [paths.layerDirectory(APP, d('layer'))], 'what is written is flushed at once')
  await writer.remove(join(paths.layersDirectory(APP), 'sha256'))
  await writer.remove(paths.tagDirectory(APP, tag('v2')))
  await writer.pruneUp([TAGS])
  await rm(join(root, paths.manifestsDirectory(APP)), { recursive: true })
  await writer.flush()
  t.same(flushed(), [paths.repositoryDirectory(APP), paths.layersDirectory(APP)])
})

t.test('what is taken aside, or kept', async t => {
  const { writer, flushed } = await watched(t)
  await new KeptAside(writer).take('job', V1)
  await writer.flush()
  t.ok(flushed().includes(TAGS))
  const remove = await new Aside(writer).take(d('blob'))
  await remove!()
  await writer.flush()
  t.ok(flushed().includes(dirname(paths.blobDirectory(d('blob')))))
})

t.test('a disk that fails: it is said, and tried again; one that has nothing to flush is fine', async t => {
  let code: string | undefined = 'EIO'
  const { writer, flushed } = await watched(t, () => code)
  await writer.remove(V1)
  await t.rejects(writer.flush(), { code: 'EIO' })
  await t.rejects(writer.flush(), { code: 'EIO' }, 'it is not forgotten')
  code = undefined
  await writer.flush()
  t.same(flushed(), [TAGS])
  code = 'EINVAL'
  await writer.remove(TAGS)
  await t.resolves(writer.flush())
})

t.test('whoever flushes waits for what another is flushing', async t => {
  const events: string[] = []
  const { writer } = await watched(t, directory => { events.push(directory); return undefined })
  await writer.remove(V1)
  const first = writer.flush().then(() => { events.push('first') })
  const second = writer.flush().then(() => { events.push('second') })
  await Promise.all([first, second])
  t.same(events, [TAGS, 'first', 'second'])
})

t.test('a collection has ended when it is on the disk', async t => {
  let isBroken = false
  const { writer, flushed } = await watched(t, () => isBroken ? 'EIO' : undefined)
  const inner = { hurry () {}, run: async () => { await writer.remove(V1); return { outcome: 'collected', receipts: new Map(), unfinished: new Set<string>() } as const } }
  const collection = new GuardedCollection(inner, { check: async () => {} }, writer)
  const requester = { requests: [], onPhase: () => {}, join: async () => [] }
  t.match(await collection.run(requester), { outcome: 'collected' })
  t.same(flushed(), [TAGS])
  isBroken = true
  t.match(await collection.run(requester), { outcome: 'failed', reason: /EIO/ })
})

t.test('no handle stays open', async t => {
  const { root, writer } = await watched(t)
  const handles = (): number => existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0
  const before = handles()
  for (const path of [V1, TAGS, paths.REPOSITORIES]) {
    await writer.remove(path)
    await writer.flush()
  }
  await rm(root, { recursive: true })
  await writer.remove(paths.BLOBS)
  await writer.flush()
  t.equal(handles(), before)
})
