/** Whether the directories are there, are what they should be, and may be written to. */
import { access, constants } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { RegistryFacts } from '../config/registry-config.js'
import type { Settings } from '../config/schema.js'
import { ok, problem, type Finding } from '../findings/finding.js'
import { SetupError } from '../setup-error.js'
import { locateTree } from '../storage/locate.js'

/** @returns also the registry's tree, where it was found */
export async function directoryFindings ({ storage, state, registry }: Settings, { rootDirectory }: RegistryFacts): Promise<{ findings: Finding[], tree: string | undefined }> {
  const stateFinding = await isWritable(state.directory) ? ok('state', `${state.directory} can be written to`) : problem('state', `the state directory ${state.directory} cannot be written to`, 'give Delgate\'s user the right to it, or set state.directory')
  const root = storage.root ?? rootDirectory
  try {
    const tree = await locateTree(root)
    if (await isWritable(tree)) return { findings: [ok('storage', `${root} is a registry's, and can be written to`), stateFinding], tree }
    return { findings: [problem('storage', `${root} cannot be written to: Delgate could not delete there`, 'run Delgate as the owner of the registry\'s files (DELGATE_USER with Docker Compose)'), stateFinding], tree }
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    const isMade = registry.controller === 'process' && registry.config === undefined && await isWritable(root)
    return { findings: [isMade ? ok('storage', `${root} will be made at the start`) : problem('storage', error.message), stateFinding], tree: undefined }
  }
}

/** Whether a directory may be written to, or be made. */
async function isWritable (path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && dirname(path) !== path && await isWritable(dirname(path))
  }
}
