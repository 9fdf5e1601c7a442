/** Blobs that were taken out of the registry's sight are removed for good, also where that failed at first. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { Aside } from '../../src/storage/aside.js'
import * as paths from '../../src/storage/paths.js'
import { TreeWriter } from '../../src/storage/write.js'
import { temporaryDirectory } from '../support/temporary.js'
import { d } from './repository.js'

t.test('what could not be removed goes with the next clearing', async t => {
  const root = await temporaryDirectory(t)
  const path = join(root, paths.blobData(d('blob')))
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, 'content')
  const aside = new Aside(new TreeWriter(root))
  t.type(await aside.take(d('blob')), 'function', 'it is taken, and its removal never comes')
  t.same(await readdir(root), ['blobs', 'delgate-swept'])
  await aside.clear()
  t.same(await readdir(root), ['blobs'])
  await aside.clear()
  t.same(await readdir(root), ['blobs'], 'where there is nothing, nothing happens')
})
