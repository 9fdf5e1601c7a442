/** The trash on the disk: content and links go there and come back, with hard links or without. */
import fs from 'node:fs'
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { KeptAside } from '../../src/storage/kept-aside.js'
import * as paths from '../../src/storage/paths.js'
import { TreeWriter } from '../../src/storage/write.js'
import { temporaryDirectory } from '../support/temporary.js'
import { APP, d, tag } from './repository.js'

const BLOB = d('content')
const V1 = paths.tagDirectory(APP, tag('v1'))

async function setUp (t: Test): Promise<{ root: string, kept: KeptAside, write: (path: string, text: string) => Promise<void>, read: (path: string) => Promise<string> }> {
  const root = await temporaryDirectory(t)
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  return { root, kept: new KeptAside(new TreeWriter(root)), write, read: async path => await readFile(join(root, path), 'utf8') }
}

/** As a file system without hard links, or another one than that of the blobs. */
function withoutLinks (t: Test, code: string): void {
  const { link } = fs.promises
  t.teardown(() => {
    fs.promises.link = link
    syncBuiltinESMExports()
  })
  fs.promises.link = async () => { throw Object.assign(new Error(code), { code }) }
  syncBuiltinESMExports()
}

for (const code of [undefined, 'EXDEV', 'EPERM', 'ENOTSUP']) {
  t.test(`content: kept, gone, and back (${code ?? 'hard links'})`, async t => {
    const { root, kept, write, read } = await setUp(t)
    if (code !== undefined) withoutLinks(t, code)
    await write(paths.blobData(BLOB), 'the bytes')
    t.equal(await kept.keepBlob(BLOB), 9)
    t.equal(await kept.keepBlob(BLOB), 9, 'again')
    t.equal((await stat(join(root, paths.blobData(BLOB)))).nlink, code === undefined ? 2 : 1)
    t.equal(await kept.keepBlob(d('nothing')), undefined)
    await rm(join(root, paths.blobDirectory(BLOB)), { recursive: true })
    t.equal(await kept.blobSize(BLOB), undefined)
    t.equal(await kept.keptSize(BLOB), 9)
    t.equal(await kept.restoreBlob(BLOB), true)
    t.equal(await read(paths.blobData(BLOB)), 'the bytes')
    t.same(await readdir(join(root, paths.blobDirectory(BLOB))), ['data'], 'and nothing besides')
    await kept.dropBlob(BLOB)
    t.equal(await read(paths.blobData(BLOB)), 'the bytes')
    await kept.tidy()
    t.same(await readdir(root), ['blobs'])
  })
}

t.test('links: moved away with all that is in them, and back, unless something is there', async t => {
  const { root, kept, write, read } = await setUp(t)
  const link = paths.tagCurrentLink(APP, tag('v1'))
  await write(link, BLOB)
  await write(`${paths.tagHistoryEntry(APP, tag('v1'), BLOB)}/link`, BLOB)
  const taken = await kept.take('job', V1)
  t.same(taken, { bytes: 0, directories: 5, inTrash: 2 * BLOB.length })
  t.equal(await kept.size('job'), 2 * BLOB.length)
  t.same(await kept.take('job', V1), { bytes: 0, directories: 0 }, 'what is not there counts as nothing')
  await kept.restore('job', V1)
  t.equal(await read(link), BLOB)
  await kept.take('job', V1)
  await write(link, 'newer')
  await kept.restore('job', V1)
  t.equal(await read(link), 'newer')
  t.same(await kept.take('job', V1), { bytes: 5, directories: 2 }, 'what came again after it was taken is removed')
  await kept.restore('job', paths.tagHistoryEntry(APP, tag('v2'), BLOB), paths.tagDirectory(APP, tag('v2')))
  t.equal(fs.existsSync(join(root, paths.tagDirectory(APP, tag('v2')))), false, 'the history of a tag that is gone is not made anew')
  await kept.writeRecord('job', 0, 'a')
  await kept.writeRecord('job', 1, 'b')
  t.same([await kept.jobs(), (await kept.records('job')).sort()], [['job'], ['a', 'b']])
  await kept.drop('job')
  t.same(await kept.jobs(), [])
})
