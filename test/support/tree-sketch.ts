/** A registry's tree in memory, until it is written: paths are relative to `docker/registry/v2`. */
import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Blob } from './images.js'

/** How old everything is that is written, milliseconds: beyond every time for which a push may still go on. */
const AGE = 24 * 3600 * 1000
const BLOB_DATA = /^blobs\/(\w+)\/\w\w\/(\w+)\/data$/

export class TreeSketch {
  readonly #files = new Map<string, Buffer>()
  readonly #directories = new Set<string>()

  revision (repository: string, digest: string): string { return `repositories/${repository}/_manifests/revisions/${digest.replace(':', '/')}/link` }
  layer (repository: string, digest: string): string { return `repositories/${repository}/_layers/${digest.replace(':', '/')}/link` }
  tag (repository: string, tag: string): string { return `repositories/${repository}/_manifests/tags/${tag}` }
  blobData (digest: string): string {
    const [algorithm, hex = ''] = digest.split(':')
    return `blobs/${algorithm}/${hex.slice(0, 2)}/${hex}/data`
  }

  /** With every directory above it. */
  directory (path: string): void {
    for (let at = path; at !== '.'; at = dirname(at)) this.#directories.add(at)
  }

  file (path: string, content: string | Buffer): void {
    this.directory(dirname(path))
    this.#files.set(path, Buffer.from(content))
  }

  link (path: string, digest: string): void { this.file(path, digest) }
  blob ({ digest, bytes }: Blob): void { this.file(this.blobData(digest), bytes) }

  /** Removes a file; its directory stays. */
  unlink (path: string): void { this.#files.delete(path) }

  /** Removes a file or directory with all that is below. */
  remove (path: string): void {
    const goes = (one: string): boolean => one === path || one.startsWith(`${path}/`)
    for (const one of [...this.#files.keys()].filter(goes)) this.#files.delete(one)
    for (const one of [...this.#directories].filter(goes)) this.#directories.delete(one)
  }

  read (path: string): Buffer | undefined { return this.#files.get(path) }

  /** Paths of files that match, in order. */
  files (pattern: RegExp): string[] { return [...this.#files.keys()].filter(path => pattern.test(path)).sort() }
  directories (pattern: RegExp): string[] { return [...this.#directories].filter(path => pattern.test(path)).sort() }

  /** Digests of the blobs that are stored. */
  blobs (): string[] { return this.files(BLOB_DATA).map(path => path.replace(BLOB_DATA, '$1:$2')) }

  /** Writes it all below `root`, one day old. */
  async write (root: string): Promise<void> {
    for (const path of ['blobs', 'repositories']) this.directory(path)
    for (const path of this.#directories) await mkdir(join(root, path), { recursive: true })
    for (const [path, bytes] of this.#files) await writeFile(join(root, path), bytes)
    const then = new Date(Date.now() - AGE)
    for (const path of [...this.#files.keys(), ...this.#directories]) await utimes(join(root, path), then, then)
  }
}
