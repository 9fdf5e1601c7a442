/** Keeps every access inside the registry's tree: no component of a path may be a symbolic link. */
import { realpathSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { PacedDisk } from './paced.js'

export const codeOf = (error: unknown): string => (error as { code?: string }).code ?? ''
export const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(codeOf(error))

/** The result of a file operation; `undefined` where the file or directory is missing. */
export async function unlessMissing<T> (result: Promise<T>): Promise<T | undefined> {
  try {
    return await result
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

export type Containment = 'inside' | 'missing' | 'outside'

/** Where roots really are. */
const realRoots = new Map<string, string>()

/** Where a path of the tree really is. `outside`: it is reached through a symbolic link. */
export async function contained (root: string, relative: string, disk: PacedDisk): Promise<Containment> {
  const real = async (path: string): Promise<string> => await disk.run(() => realpathSync.native(path), async () => await realpath(path))
  try {
    const found = await real(join(root, relative))
    const known = realRoots.get(root)
    if (known !== undefined && found === join(known, relative)) return 'inside'
    const realRoot = await real(root)
    realRoots.set(root, realRoot)
    return found === join(realRoot, relative) ? 'inside' : 'outside'
  } catch (error) {
    if (isMissing(error)) return 'missing'
    throw error
  }
}
