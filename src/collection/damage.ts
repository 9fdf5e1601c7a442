/** Damage in the tree, as a collection deals with it. */
import type { RepositoryName } from '../oci/name.js'
import * as paths from '../storage/paths.js'
import { damageText, type Damage } from '../storage/state.js'
import type { TreeWriter } from '../storage/write.js'

/** Damage is named in messages; this many places are enough to begin with. */
const DAMAGES_SHOWN = 5

/** Why nothing was swept. */
export function describe (damages: readonly Damage[]): string {
  const shown = damages.slice(0, DAMAGES_SHOWN).map(damageText).join('; ')
  const more = damages.length > DAMAGES_SHOWN ? `; and ${damages.length - DAMAGES_SHOWN} more` : ''
  return `nothing was swept, since damage in the registry could hide what is in use: ${shown}${more}. Delete or push again what is damaged; the job is then tried again`
}

/**
 * A repository with only one of its two directories is hidden from one version of the registry's collector.
 * @returns what to say of it, and of damage that can hide nothing
 */
export async function mend ({ lopsided, warnings }: { readonly lopsided: readonly RepositoryName[], readonly warnings: readonly Damage[] }, writer: TreeWriter): Promise<string[]> {
  const said = warnings.map(damageText)
  for (const name of lopsided) {
    await writer.ensure(paths.layersDirectory(name))
    await writer.ensure(paths.manifestsDirectory(name))
    said.push(`${paths.repositoryDirectory(name)}: only one of _layers and _manifests was there; an empty one was added, so that the registry sees the repository`)
  }
  return said
}
