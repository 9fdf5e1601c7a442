/** A tree, and beside it a directory that nobody may touch: it looks just like the tree, so that whoever strays into it does harm. */
import fs from 'node:fs'
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { Digest } from '../../src/oci/digest.js'
import type { RepositoryName, Tag } from '../../src/oci/name.js'
import * as paths from '../../src/storage/paths.js'

export const digestOf = (text: string): Digest => `sha256:${createHash('sha256').update(text).digest('hex')}` as Digest
export const NAME = 'team/app' as RepositoryName
export const TAG = 'v1' as Tag
export const BLOB = digestOf('blob')
const IMAGE = 'application/vnd.oci.image.manifest.v1+json'
export const MANIFEST_TEXT = JSON.stringify({ schemaVersion: 2, mediaType: IMAGE, config: { digest: BLOB }, layers: [] })
export const MANIFEST = digestOf(MANIFEST_TEXT)

/** Writes a small repository below a directory. */
export function writeRepository (root: string, name: RepositoryName = NAME, extra = ''): void {
  const write = (path: string, text: string): void => {
    fs.mkdirSync(dirname(join(root, path)), { recursive: true })
    fs.writeFileSync(join(root, path), text)
  }
  write(paths.blobData(BLOB), `blob${extra}`)
  write(paths.blobData(MANIFEST), MANIFEST_TEXT)
  write(paths.layerLink(name, BLOB), BLOB)
  write(paths.revisionLink(name, MANIFEST), MANIFEST)
  write(paths.tagCurrentLink(name, TAG), MANIFEST)
  write(`${paths.tagHistoryEntry(name, TAG, MANIFEST)}/link`, MANIFEST)
  fs.mkdirSync(join(root, paths.uploadsDirectory(name)), { recursive: true })
}

/** All that can be seen of a directory: names, kinds, contents, and whether anything was written. */
export function picture (root: string): string {
  const lines: string[] = []
  const visit = (path: string): void => {
    const stats = fs.lstatSync(path)
    const content = stats.isFile() ? fs.readFileSync(path, 'latin1') : stats.isSymbolicLink() ? fs.readlinkSync(path) : ''
    lines.push([path, stats.mode, stats.ino, stats.isFile() ? 0 : stats.nlink, stats.mtimeMs, content].join(' '))
    if (stats.isDirectory()) for (const name of fs.readdirSync(path).sort()) visit(join(path, name))
  }
  visit(root)
  return lines.join('\n')
}
