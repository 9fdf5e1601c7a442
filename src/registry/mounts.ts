/**
 * Whether Delgate, in a container of its own, sees the registry's files: told from what is mounted in the two. A wrong
 * mount is easily made, and without this it would only show as a 404 for every DELETE. Pure.
 */
import { posix } from 'node:path'
import { parse } from 'yaml'
import type { Container, Mount } from './container.js'

const DEFAULT_ROOT = '/var/lib/registry'
const ROOT_VARIABLE = 'REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY'

export type MountCheck =
  | { readonly kind: 'same' }
  /** Two directories of the host under different names, which may be one by a symbolic link. */
  | { readonly kind: 'doubtful', readonly message: string }
  | { readonly kind: 'different', readonly message: string }

/** Where the registry keeps its files, by its configuration; `undefined` when it does not keep them in files. */
export function registryRoot (configText: string, environment: Readonly<Record<string, string>>): string | undefined {
  const storage = storageSection(configText)
  const filesystem = typeof storage === 'object' ? storage?.filesystem : undefined
  if (filesystem === undefined && storage !== 'filesystem' && !(ROOT_VARIABLE in environment)) return undefined
  return posix.normalize(environment[ROOT_VARIABLE] ?? String(filesystem?.rootdirectory ?? DEFAULT_ROOT))
}

/** What is wrong with the file is told by those who read all of it. */
function storageSection (configText: string): string | { filesystem?: { rootdirectory?: unknown } | null } | null | undefined {
  try {
    return (parse(configText) as { storage?: ReturnType<typeof storageSection> } | null)?.storage
  } catch {
    return undefined
  }
}

/** Compares what lies at `path` in Delgate's container with what lies at `root` in the registry's. */
export function compareMounts (own: Container, path: string, registry: Container, root: string): MountCheck {
  const theirs = origin(registry.mounts, root)
  const ours = origin(own.mounts, path)
  if (theirs === undefined) return different(`the registry keeps its files at ${root} inside its container ${registry.name}, where Delgate cannot see them. Mount a volume there, and the same one at ${path} in Delgate's container`)
  if (ours === undefined) return different(`nothing is mounted at ${path} in Delgate's container ${own.name}, so it cannot see the registry's files. Mount ${theirs.text} there, which the registry has at ${root}`)
  if (ours.text === theirs.text) return { kind: 'same' }
  const message = `Delgate's container ${own.name} has ${ours.text} at ${path}, but the registry keeps its files in ${theirs.text} (its ${root}). Mount the same in both`
  return ours.isVolume && theirs.isVolume ? different(message) : { kind: 'doubtful', message }
}

const different = (message: string): MountCheck => ({ kind: 'different', message })

/** What is mounted at `path` or above it. */
function origin (mounts: readonly Mount[], path: string): { text: string, isVolume: boolean } | undefined {
  const within = mounts.filter(({ destination }) => destination === '/' || path === destination || path.startsWith(`${destination}/`))
  const [mount] = within.sort((one, other) => other.destination.length - one.destination.length)
  if (mount === undefined) return undefined
  const rest = posix.relative(mount.destination, path)
  const below = rest === '' ? '' : `/${rest}`
  return mount.volume === undefined
    ? { text: `the host's ${posix.normalize(mount.source + below)}`, isVolume: false }
    : { text: `the volume ${mount.volume}${below}`, isVolume: true }
}
