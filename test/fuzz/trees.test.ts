/** Trees that somebody has done their worst to: read, planned on, deleted from and swept, and nothing outside is touched. */
import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { execute } from '../../src/deletion/execute.js'
import { plan } from '../../src/deletion/planner.js'
import type { RepositoryTarget } from '../../src/deletion/target.js'
import { ReferenceIndex } from '../../src/references/index.js'
import { Aside } from '../../src/storage/aside.js'
import * as paths from '../../src/storage/paths.js'
import { TreeReader } from '../../src/storage/read.js'
import { scanReferences } from '../../src/storage/scan.js'
import { RepositoryStates } from '../../src/storage/states.js'
import { TreeWriter } from '../../src/storage/write.js'
import { Reads } from '../../src/traffic/reads.js'
import { Tombstones } from '../../src/traffic/tombstones.js'
import { fuzz, must } from '../support/fuzz.js'
import { BLOB, MANIFEST, NAME, TAG, picture, writeRepository } from '../support/guarded.js'
import { HostileTree, SECRET, SECRET_TAG, makePipe, writeGuarded } from '../support/hostile-tree.js'
import type { Chance } from '../support/random.js'
import { memoryDirectory } from '../support/temporary.js'

const scratch = await memoryDirectory(t)
const [root, guarded] = [join(scratch, 'tree'), join(scratch, 'guarded')]
const pipe = makePipe(join(scratch, 'pipe'))
writeGuarded(guarded)
const untouched = picture(guarded)

/** It may fail, as an operation on files does, or because of a symbolic link; not as a mistake in a program does. */
async function allowed<T> (work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    const { code, syscall, message, stack } = error as NodeJS.ErrnoException
    must((code !== undefined && syscall !== undefined) || /symbolic link|could not be made/.test(message), `it failed with ${stack}`)
    return undefined
  }
}

function mustNotKnow (what: string, known: unknown): void {
  const text = JSON.stringify(known, (_key, value: unknown) => value instanceof Map ? [...value] : value)
  must(!text.includes(SECRET_TAG) && !text.includes(SECRET.slice(7)), `${what} knows what is outside`, text)
}

async function read (reader: TreeReader): Promise<void> {
  await allowed(scanReferences(reader))
  for (const name of await allowed(reader.repositories()) ?? []) {
    const { damages, ...state } = await allowed(reader.repository(name)) ?? { damages: [] }
    mustNotKnow('the reader', state)
    const { damages: _, ...same } = await allowed(new RepositoryStates(reader).repository(name)) ?? { damages: [] }
    mustNotKnow('the states', same)
  }
  await allowed(reader.blobs())
  const index = new ReferenceIndex(reader)
  await allowed(index.build())
  await allowed(index.audit())
  must(index.users(SECRET).length === 0, 'the index knows what is outside')
}

async function remove (chance: Chance, reader: TreeReader, writer: TreeWriter): Promise<string> {
  const states = new RepositoryStates(reader)
  const target = chance.one<RepositoryTarget>([{ type: 'tag', repository: NAME, tag: TAG }, { type: 'manifest', repository: NAME, digest: MANIFEST }, { type: 'tags', repository: NAME }, { type: 'repository', repository: NAME }, { type: 'blob', repository: NAME, digest: BLOB }])
  const state = await allowed(states.repository(NAME))
  if (state === undefined) return 'not read'
  const planned = plan(state, target, { referrers: 'purge', leased: () => false, pushed: () => false, uploading: () => false, idleBefore: 0, staleBefore: 0 })
  if (planned.outcome !== 'planned') return planned.outcome
  const receipt = await allowed(execute(planned.plan, writer, { tombstones: new Tombstones(() => false), reads: new Reads(), states, quiet: true }))
  return receipt === undefined ? 'failed' : 'deleted'
}

async function sweep (reader: TreeReader, writer: TreeWriter): Promise<void> {
  const aside = new Aside(writer)
  await allowed(aside.clear())
  for (const digest of [BLOB, MANIFEST, SECRET]) await allowed((async () => await (await aside.take(digest))?.())())
  await allowed(aside.clear())
  for (const directory of await allowed(reader.emptyDirectories()) ?? []) await allowed(writer.pruneUp([directory]))
  await allowed(writer.linkLayer(NAME, BLOB, BLOB))
  await allowed(writer.linkManifest(NAME, MANIFEST, '{}'))
}

await fuzz(t, 'hostile trees', { cases: 250, within: 3_000 }, async chance => {
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root)
  const tree = new HostileTree(root, guarded, pipe, chance)
  const harms = Array.from({ length: 1 + chance.upTo(6) }, () => tree.harm())
  const [reader, writer] = [new TreeReader(root), new TreeWriter(root)]
  try {
    await read(reader)
    const outcome = await remove(chance, reader, writer)
    await sweep(reader, writer)
    must(picture(guarded) === untouched, 'something outside has changed')
    return outcome
  } catch (error) {
    throw new Error(`${harms.join('; ')}: ${(error as Error).stack}`)
  }
})

t.test('what is a symbolic link in a repository is not read through', async t => {
  for (const path of [paths.tagsDirectory(NAME), paths.revisionsDirectory(NAME), paths.tagHistoryDirectory(NAME, TAG), dirname(paths.tagCurrentLink(NAME, TAG))]) {
    rmSync(root, { recursive: true, force: true })
    writeRepository(root)
    rmSync(join(root, path), { recursive: true })
    symlinkSync(join(guarded, path), join(root, path))
    const { damages, ...state } = await new TreeReader(root).repository(NAME)
    mustNotKnow('the reader', state)
    t.match(damages, [{ path, reason: 'it is a symbolic link' }], path)
  }
})
