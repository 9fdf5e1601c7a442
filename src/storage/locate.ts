/** Finds the registry's tree, and makes sure that it is one. */
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { SetupError } from '../setup-error.js'
import { TREE } from './paths.js'

/**
 * @param root the registry's `rootdirectory`, as Delgate sees it
 * @returns the directory `docker/registry/v2` in it; it may not exist yet where nothing was ever pushed
 * @throws SetupError when the directory is missing, or holds something else
 */
export async function locateTree (root: string): Promise<string> {
  const entries = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'EACCES' ? 'Delgate may not read it' : error.code === 'ENOTDIR' ? 'it is not a directory' : 'it does not exist'
    throw new SetupError(`the registry's storage ${root}: ${reason}. Set storage.root to the directory that holds docker/registry/v2, as Delgate sees it; in a container, mount the registry's volume`)
  })
  const tree = join(root, TREE)
  const found = await lstat(tree).catch(() => undefined)
  if (found?.isDirectory() === true) return tree
  if (entries.includes('docker') || entries.every(name => name === 'lost+found' || name === 'scheduler-state.json')) return tree
  throw new SetupError(`${root} is not the storage of a registry: it holds ${entries.slice(0, 3).join(', ')}, but no ${TREE}. Set storage.root to the directory that holds docker/registry/v2`)
}
