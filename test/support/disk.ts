/** What is on the disk, seen without Delgate's own code. */
import { createHash } from 'node:crypto'
import { lstat, readFile, readdir, readlink } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import type { Test } from 'tap'
import { dryRunGarbage } from './registry.js'
import type { RegistryTool } from './tools.js'

/** One entry of a tree; a directory has neither size nor hash. */
export interface Entry {
  readonly path: string
  readonly kind: 'file' | 'directory' | 'link'
  readonly size: number
  readonly hash: string
}

/** Everything below `root`, sorted by path, contents hashed. */
export async function listing (root: string): Promise<Entry[]> {
  const entries: Entry[] = []
  const visit = async (directory: string): Promise<void> => {
    for (const name of (await readdir(directory)).sort()) {
      const path = join(directory, name)
      const status = await lstat(path)
      entries.push({ path: relative(root, path).split(sep).join('/'), ...await describe(path, status) })
      if (status.isDirectory()) await visit(path)
    }
  }
  await visit(root)
  return entries
}

async function describe (path: string, status: Awaited<ReturnType<typeof lstat>>): Promise<Omit<Entry, 'path'>> {
  if (status.isDirectory()) return { kind: 'directory', size: 0, hash: '' }
  if (status.isSymbolicLink()) return { kind: 'link', size: 0, hash: await readlink(path) }
  return { kind: 'file', size: Number(status.size), hash: createHash('sha256').update(await readFile(path)).digest('hex') }
}

/** The sizes of all files, added up. */
export async function totalBytes (root: string): Promise<number> {
  return (await listing(root)).reduce((sum, entry) => sum + entry.size, 0)
}

/** The blobs on the disk, by digest, sorted. */
export async function blobsOnDisk (storage: string): Promise<string[]> {
  const found: string[] = []
  for (const { path, kind } of await listing(storage)) {
    const match = /^docker\/registry\/v2\/blobs\/([^/]+)\/[^/]{2}\/([^/]+)\/data$/.exec(path)
    if (kind === 'file' && match !== null) found.push(`${match[1]}:${match[2]}`)
  }
  return found
}

/** Where a registry's files are, and the program that collects them. */
export interface Stored {
  readonly storage: string
  readonly config: string
  readonly tool: RegistryTool
}

/**
 * Asserts that the scenarios' word "clean" holds: nothing on the disk bears the name of a deleted digest or lies below
 * a deleted repository, no directory is empty that should not be, and the registry's own collector finds nothing.
 * @param options.leased what a running push has uploaded and no manifest lists yet
 */
export async function assertClean (t: Test, { storage, config, tool }: Stored, deleted: { readonly digests?: readonly string[], readonly repositories?: readonly string[] }, { leased = [] }: { readonly leased?: readonly string[] } = {}): Promise<void> {
  const entries = await listing(storage)
  const hexes = (deleted.digests ?? []).map((digest) => digest.slice(digest.indexOf(':') + 1))
  t.same(entries.filter(({ path }) => hexes.some((hex) => path.includes(hex))).map(({ path }) => path), [], 'no link and no blob of the deleted content')
  const roots = (deleted.repositories ?? []).map((name) => `docker/registry/v2/repositories/${name}/_`)
  t.same(entries.filter(({ path }) => roots.some((root) => path.startsWith(root))).map(({ path }) => path), [], 'nothing of the deleted repositories')
  t.same(emptyDirectories(entries), [], 'no empty directory')
  const { blobs, manifests, layerLinks } = await dryRunGarbage(tool, config)
  t.same({ blobs, manifests }, { blobs: leased.length, manifests: 0 }, 'the registry\'s own collector finds nothing but what a running push has uploaded')
  t.ok(layerLinks <= leased.length, 'nor links of layers')
}

/**
 * Directories with nothing in them. Allowed are the roots of the tree, and `_uploads`, which the registry itself
 * leaves empty in every repository that it has pushed to and that still holds something.
 */
export function emptyDirectories (entries: readonly Entry[]): string[] {
  const parents = new Set(entries.map(({ path }) => path.slice(0, path.lastIndexOf('/'))))
  const paths = new Set(entries.map(({ path }) => path))
  const allowed = /^docker(?:\/registry(?:\/v2(?:\/repositories|\/blobs(?:\/sha(?:256|384|512))?)?)?)?$/
  const inUse = (path: string) => path.endsWith('/_uploads') && paths.has(path.replace(/_uploads$/, '_manifests'))
  return entries
    .filter(({ path, kind }) => kind === 'directory' && !parents.has(path) && !allowed.test(path) && !inUse(path))
    .map(({ path }) => path)
}
