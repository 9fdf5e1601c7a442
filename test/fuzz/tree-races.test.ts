/**
 * While something is removed or written, a directory on the way is replaced by a symbolic link to a directory outside,
 * which looks just the same: at every moment between two file operations, and by somebody who does nothing else.
 */
import { existsSync, linkSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { Aside } from '../../src/storage/aside.js'
import * as paths from '../../src/storage/paths.js'
import { TreeWriter } from '../../src/storage/write.js'
import { fuzz, must } from '../support/fuzz.js'
import { BLOB, MANIFEST, MANIFEST_TEXT, NAME, TAG, digestOf, picture, writeRepository } from '../support/guarded.js'
import { interpose } from '../support/interpose.js'
import { Swapped, steps } from '../support/swapped.js'
import { memoryDirectory } from '../support/temporary.js'

/** What is done, and the deepest directory on the way there. */
interface Deed { readonly what: string, readonly way: string, readonly work: (writer: TreeWriter) => Promise<unknown> }

const NEW = digestOf('new')
const take = async (writer: TreeWriter): Promise<unknown> => await (await new Aside(writer).take(BLOB))?.()
const DEEDS: readonly Deed[] = [
  { what: 'remove a repository', way: join(paths.tagHistoryEntry(NAME, TAG, MANIFEST)), work: async writer => await writer.remove(paths.repositoryDirectory(NAME)) },
  { what: 'remove a tag', way: paths.tagHistoryEntry(NAME, TAG, MANIFEST), work: async writer => await writer.remove(paths.tagDirectory(NAME, TAG)) },
  { what: 'remove a layer', way: paths.layerDirectory(NAME, BLOB), work: async writer => await writer.remove(paths.layerDirectory(NAME, BLOB)) },
  { what: 'remove empty directories', way: paths.uploadsDirectory(NAME), work: async writer => await writer.pruneUp([paths.uploadsDirectory(NAME)]) },
  { what: 'take a blob aside', way: paths.blobDirectory(BLOB), work: take },
  { what: 'link a layer', way: join(paths.layersDirectory(NAME), 'sha256'), work: async writer => { await writer.linkLayer(NAME, NEW, NEW) } },
  { what: 'link a layer again', way: paths.layerDirectory(NAME, BLOB), work: async writer => { await writer.linkLayer(NAME, BLOB, NEW) } },
  { what: 'store a blob', way: dirname(dirname(paths.blobDirectory(MANIFEST))), work: async writer => { await writer.storeBlob(digestOf(MANIFEST_TEXT), 'other') } },
  { what: 'make a directory', way: paths.layersDirectory(NAME), work: async writer => { await writer.ensure(`${paths.layersDirectory(NAME)}/sha512/x`) } }
]

const scratch = await memoryDirectory(t)
const guarded = join(scratch, 'guarded')
const tree = new Swapped(scratch, guarded)
const { root } = tree
writeRepository(guarded)
let untouched = picture(guarded)
/** How many file operations each deed has. */
const operations = new Map<Deed, number>()

async function operationsOf (deed: Deed): Promise<number> {
  tree.fresh()
  const writer = new TreeWriter(root)
  await writer.measure(paths.REPOSITORIES)
  const count = operations.get(deed) ?? await interpose(0, () => {}, async () => { await deed.work(writer) })
  operations.set(deed, count)
  return count
}

function assertUntouched (what: string): void {
  if (picture(guarded) === untouched) return
  rmSync(guarded, { recursive: true })
  writeRepository(guarded)
  untouched = picture(guarded)
  throw new Error(what)
}

/** It may fail, but only so that a later attempt can do better. */
async function allowed (work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    must(/symbolic link|could not be made|is gone as soon/.test(message) || ['ENOTEMPTY', 'ENOTDIR', 'EISDIR', 'ENOENT', 'ELOOP', 'EEXIST'].includes(code ?? ''), `it failed with ${message}`)
    return 'refused'
  }
}

await fuzz(t, 'a directory is swapped just before a file operation', { cases: 1000 }, async chance => {
  const deed = chance.one(DEEDS)
  const step = chance.one(steps(deed.way))
  const at = 1 + chance.upTo(await operationsOf(deed))
  tree.fresh()
  const writer = new TreeWriter(root)
  // What it learns of the tree at first it knows already.
  if (chance.happens(0.8)) await writer.measure(paths.REPOSITORIES)
  let outcome = ''
  await interpose(at, () => { tree.swap(step) }, async () => { outcome = await allowed(deed.work(writer)) })
  assertUntouched(`${deed.what}: ${step} became a symbolic link before file operation ${at}, and what it leads to has changed`)
  return outcome
})

await fuzz(t, 'somebody swaps a directory to and fro all the time', { cases: 300 }, async chance => {
  const deed = chance.one(DEEDS)
  const step = chance.one(steps(deed.way))
  tree.fresh()
  const writer = new TreeWriter(root)
  const outcome = await tree.toAndFro(step, chance, async () => await allowed(deed.work(writer)))
  assertUntouched(`${deed.what}: ${step} was swapped all the time, and what it leads to has changed`)
  return outcome
})

t.test('no handle stays open', async t => {
  tree.fresh()
  const handles = (): number => existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0
  const before = handles()
  for (const deed of DEEDS) {
    for (const step of steps(deed.way)) {
      tree.fresh()
      tree.swap(step)
      await allowed(deed.work(new TreeWriter(root)))
    }
  }
  t.equal(handles(), before)
})

t.test('a link that has other names is written anew, and those keep their content', async t => {
  tree.fresh()
  const writer = new TreeWriter(root)
  const outside = join(guarded, 'outside')
  const link = join(root, paths.layerLink(NAME, BLOB))
  for (const other of [linkSync, symlinkSync]) {
    rmSync(link, { force: true })
    writeFileSync(outside, 'precious')
    other(outside, link)
    await writer.linkLayer(NAME, BLOB, NEW)
    t.equal(readFileSync(outside, 'utf8'), 'precious')
    t.equal(readFileSync(link, 'utf8'), NEW)
  }
})
