/** Finds the registry's tree, and makes sure that it is one. */
import { lstat, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { SetupError } from '../setup-error.js'
import { BLOBS, REPOSITORIES, TREE } from './paths.js'

/**
 * @param root the registry's `rootdirectory`, as Delgate sees it
 * @returns the directory `docker/registry/v2` in it, by its real path; it may not exist yet where nothing was ever pushed
 * @throws SetupError when the directory is missing, or holds something else, or what leads out of it
 */
export async function locateTree (root: string): Promise<string> {
  const entries = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'EACCES' ? 'Delgate may not read it' : error.code === 'ENOTDIR' ? 'it is not a directory' : 'it does not exist'
    throw new SetupError(`the registry's storage ${root}: ${reason}. Set storage.root to the directory that holds docker/registry/v2, as Delgate sees it; in a container, mount the registry's volume`)
  })
  const tree = join(await realpath(root), TREE)
  const found = await realpath(tree).catch(() => undefined)
  if (found !== undefined) {
    for (const name of [BLOBS, REPOSITORIES]) await refuseSymbolicLink(join(found, name))
    return found
  }
  if (entries.includes('docker') || entries.every(name => name === 'lost+found' || name === 'scheduler-state.json')) return tree
  throw new SetupError(`${root} is not the storage of a registry: it holds ${entries.slice(0, 3).join(', ')}, but no ${TREE}. Set storage.root to the directory that holds docker/registry/v2`)
}

/** Nothing is read or removed through symbolic links below the tree's root, so a part of the tree that is one could not be worked on. */
async function refuseSymbolicLink (path: string): Promise<void> {
  const isLink = (await lstat(path).catch(() => undefined))?.isSymbolicLink() === true
  if (isLink) throw new SetupError(`${path} is a symbolic link, which Delgate does not follow. Mount the directory that it leads to there instead (mount --bind, or a volume of its own)`)
}
