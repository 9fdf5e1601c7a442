/** While the tree is read, a directory on the way is replaced by a symbolic link to one outside: nothing of that is ever seen. */
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdir, rename, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { readLink, readManifest } from '../../src/storage/content.js'
import { locateTree } from '../../src/storage/locate.js'
import { PacedDisk } from '../../src/storage/paced.js'
import * as paths from '../../src/storage/paths.js'
import { TreeReader } from '../../src/storage/read.js'
import { hexOf } from '../../src/oci/digest.js'
import type { RepositoryName, Tag } from '../../src/oci/name.js'
import { fuzz, must } from '../support/fuzz.js'
import { BLOB, MANIFEST, MANIFEST_TEXT, NAME, TAG, digestOf, writeRepository } from '../support/guarded.js'
import { interpose } from '../support/interpose.js'
import { Swapped, steps } from '../support/swapped.js'
import { memoryDirectory } from '../support/temporary.js'

/** What is read, and the deepest directory on the way there. */
interface Deed { readonly what: string, readonly way: string, readonly work: (reader: TreeReader, disk: PacedDisk) => Promise<unknown> }

const OUTSIDE = digestOf('outside')

const scratch = await memoryDirectory(t)
const outside = join(scratch, 'outside')
writeOutside()
const tree = new Swapped(scratch, outside)
const { root } = tree

const DEEDS: readonly Deed[] = [
  { what: 'a repository', way: paths.tagHistoryEntry(NAME, TAG, MANIFEST), work: async reader => await reader.repository(NAME) },
  { what: 'all repositories', way: paths.layersDirectory(NAME), work: async reader => { const damages: never[] = []; return [await reader.repositories(damages), damages] } },
  { what: 'a tag', way: dirname(paths.tagCurrentLink(NAME, TAG)), work: async reader => await reader.tag(NAME, TAG) },
  { what: 'all blobs', way: dirname(paths.blobDirectory(BLOB)), work: async reader => await reader.blobs() },
  { what: 'a manifest', way: paths.blobDirectory(MANIFEST), work: async reader => await reader.manifest(MANIFEST) },
  { what: 'a manifest\'s bytes', way: paths.blobDirectory(MANIFEST), work: async reader => (await reader.manifestContent(MANIFEST))?.bytes.toString() },
  { what: 'empty directories', way: paths.uploadsDirectory(NAME), work: async reader => await reader.emptyDirectories() },
  { what: 'a link, for the index', way: paths.revisionDirectory(NAME, MANIFEST), work: async (_reader, disk) => await readLink(disk, root, 'manifest', paths.revisionLink(NAME, MANIFEST)) },
  { what: 'a manifest, for the index', way: paths.blobDirectory(MANIFEST), work: async (_reader, disk) => await readManifest(disk, root, MANIFEST) }
]

/** The same directories as in the tree, with other things in them. */
function writeOutside (): void {
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(outside, path)), { recursive: true })
    writeFileSync(join(outside, path), text)
  }
  writeRepository(outside)
  for (const [name, tag] of [[NAME, TAG], [NAME, 'outside' as Tag], ['team/outside' as RepositoryName, TAG]] as const) {
    for (const path of [paths.tagCurrentLink(name, tag), paths.layerLink(name, BLOB), paths.revisionLink(name, MANIFEST)]) write(path, OUTSIDE)
    for (const path of [paths.revisionLink(name, OUTSIDE), paths.layerLink(name, OUTSIDE), `${paths.tagHistoryEntry(name, tag, OUTSIDE)}/link`]) write(path, OUTSIDE)
    mkdirSync(join(outside, paths.uploadsDirectory(name), 'outside'), { recursive: true })
  }
  write(paths.blobData(OUTSIDE), 'outside')
  write(paths.blobData(MANIFEST), MANIFEST_TEXT.replace(BLOB, OUTSIDE))
  for (const path of [paths.blobDirectory(BLOB), paths.blobDirectory(MANIFEST)]) mkdirSync(join(outside, dirname(path), hexOf(OUTSIDE)), { recursive: true })
}

/** Maps count too. */
const shown = (result: unknown): string => JSON.stringify(result, (_key, value: unknown) => value instanceof Map ? [...value] : value) ?? ''

/** Reads; what it says must not have come from outside. */
async function read (deed: Deed, reader: TreeReader, disk: PacedDisk): Promise<string> {
  let result: unknown
  try {
    result = await deed.work(reader, disk)
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    must(/symbolic link/.test(message) || ['ENOTDIR', 'ENOENT', 'ELOOP'].includes(code ?? ''), `it failed with ${message}`)
    return 'refused'
  }
  const text = shown(result)
  must(!text.includes(hexOf(OUTSIDE)) && !text.includes('outside'), `${deed.what}: something outside was read`, text)
  return text.includes('symbolic link') ? 'said' : 'read'
}

const operations = new Map<Deed, number>()
async function operationsOf (deed: Deed, isLocal: boolean): Promise<number> {
  const { reader, disk } = await readers(isLocal)
  const count = operations.get(deed) ?? await interpose(0, () => {}, async () => { await deed.work(reader, disk) })
  operations.set(deed, count)
  return count
}

async function readers (isLocal: boolean): Promise<{ reader: TreeReader, disk: PacedDisk }> {
  tree.fresh()
  const [reader, disk] = [new TreeReader(root), new PacedDisk()]
  if (isLocal) await Promise.all([disk.begin(root), reader.own('none' as RepositoryName, [])])
  return { reader, disk }
}

t.test('the same without a swap: all of it is read, and nothing of it counts as outside', async t => {
  for (const deed of DEEDS) {
    const { reader, disk } = await readers(true)
    t.equal(await read(deed, reader, disk), 'read', deed.what)
    if (!deed.what.includes('index')) t.match(shown(await deed.work(new TreeReader(outside), disk)), new RegExp(`${hexOf(OUTSIDE)}|outside`), `${deed.what} could be told apart`)
  }
})

await fuzz(t, 'a directory is swapped just before a file operation', { cases: 1500 }, async chance => {
  const deed = chance.one(DEEDS)
  const step = chance.one(steps(deed.way))
  const isLocal = chance.happens(0.8)
  const at = 1 + chance.upTo(await operationsOf(deed, isLocal))
  const { reader, disk } = await readers(isLocal)
  let outcome = ''
  await interpose(at, () => { tree.swap(step) }, async () => { outcome = await read(deed, reader, disk) })
  return outcome
})

await fuzz(t, 'somebody swaps a directory to and fro all the time', { cases: 300 }, async chance => {
  const deed = chance.one(DEEDS)
  const { reader, disk } = await readers(chance.happens(0.5))
  return await tree.toAndFro(chance.one(steps(deed.way)), chance, async () => await read(deed, reader, disk))
})

t.test('no handle stays open', async t => {
  const handles = (): number => existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0
  const before = handles()
  for (const isLocal of [true, false]) {
    for (const deed of DEEDS) {
      for (const step of steps(deed.way)) {
        const { reader, disk } = await readers(isLocal)
        tree.swap(step)
        await read(deed, reader, disk)
      }
    }
  }
  t.equal(handles(), before)
})

t.test('a part of the tree that is a symbolic link is an error at the start; the way to the tree may be one', async t => {
  for (const part of [paths.BLOBS, paths.REPOSITORIES]) {
    const storage = join(scratch, `storage-${part}`)
    await mkdir(join(storage, paths.TREE), { recursive: true })
    await mkdir(join(storage, part))
    await rename(join(storage, part), join(scratch, part))
    await symlink(join(scratch, part), join(storage, paths.TREE, part))
    await t.rejects(locateTree(storage), { message: new RegExp(`v2/${part} is a symbolic link, .*Mount`) })
  }
  const storage = join(scratch, 'storage')
  await mkdir(join(storage, paths.TREE, paths.BLOBS), { recursive: true })
  symlinkSync(storage, join(scratch, 'link'))
  t.equal(await locateTree(join(scratch, 'link')), join(storage, paths.TREE))
})
