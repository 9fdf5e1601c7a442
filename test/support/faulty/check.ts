/** What must hold on the disk, read without Delgate's own code; everything here throws when it does not. */
import { existsSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { emptyDirectories, listing } from '../disk.js'
import { must } from '../fuzz.js'
import type { Job } from '../jobs.js'
import { dryRunGarbage, type RegistryFiles } from '../registry.js'
import { until } from '../temporary.js'
import type { RegistryTool } from '../tools.js'

const TAG = /^docker\/registry\/v2\/repositories\/(.+)\/_manifests\/tags\/[^/]+\/current\/link$/
const REVISION = /^docker\/registry\/v2\/repositories\/(.+)\/_manifests\/revisions\/sha256\/[^/]+\/link$/
const BLOB = /^docker\/registry\/v2\/blobs\/sha256\/..\/([^/]+)\/data$/
/** Files that a registry makes. */
const KNOWN = /\/(?:_manifests|_layers)\/.*\/link$|\/blobs\/sha256\/[0-9a-f]{2}\/[0-9a-f]{64}\/data$|\/_uploads\/[^/]+\//

interface Listed { readonly digest: string }
interface Listing { readonly config?: Listed, readonly layers?: readonly Listed[], readonly manifests?: readonly Listed[] }

/** At any moment: no tag leads to what is not whole, no linked manifest is missing, and every blob is what its name says. */
export async function mustNotDangle (storage: string): Promise<void> {
  const root = join(storage, 'docker/registry/v2')
  const blob = (digest: string) => join(root, 'blobs/sha256', digest.slice(7, 9), digest.slice(7), 'data')
  const mustBeWhole = async (repository: string, digest: string): Promise<void> => {
    const linked = (kind: string, of: string) => { must(existsSync(join(root, 'repositories', repository, kind, 'sha256', of.slice(7), 'link')), `${repository}: a tag leads to what has no link in ${kind}`, of) }
    linked('_manifests/revisions', digest)
    const { config, layers = [], manifests = [] } = JSON.parse(await readFile(blob(digest), 'utf8')) as Listing
    for (const one of [...config === undefined ? [] : [config], ...layers]) {
      linked('_layers', one.digest)
      must(existsSync(blob(one.digest)), `${repository}: a tag leads to a blob that is gone`, one.digest)
    }
    for (const one of manifests) await mustBeWhole(repository, one.digest)
  }
  for (const { path, hash } of await listing(storage)) {
    must(BLOB.exec(path)?.[1] === hash || !BLOB.test(path), 'a blob is not what its name says', path)
    const [tag, revision] = [TAG.exec(path), REVISION.exec(path)]
    if (tag === null && revision === null) continue
    const digest = await readFile(join(storage, path), 'utf8')
    must(existsSync(blob(digest)), 'a link leads to a manifest that is gone', path)
    if (tag !== null) await mustBeWhole(tag[1]!, digest)
  }
}

/** After the job: nothing is left of what it removed, and the registry's own collector finds nothing. */
export async function mustBeClean ({ storage, config, directory }: RegistryFiles, tool: RegistryTool, gone: readonly string[]): Promise<void> {
  const entries = await listing(storage)
  const hexes = gone.map(digest => digest.slice(7))
  const named = (shown: typeof entries) => shown.map(({ path }) => path)
  const none = (found: readonly string[], what: string) => { must(found.length === 0, what, found) }
  none(named(entries.filter(({ path }) => hexes.some(hex => path.includes(hex)))), 'of what was deleted is left')
  none(named(entries.filter(({ path, kind }) => kind !== 'directory' && !KNOWN.test(path))), 'a registry makes no such files')
  none(emptyDirectories(entries), 'empty directories are left')
  // The index may just be being saved; a process id that could neither be noted nor removed goes with the next.
  await until('no temporary files are left in the state directory', async () => (await readdir(join(directory, 'state'), { recursive: true })).every(name => !name.endsWith('.tmp')), 5_000)
  const found = await dryRunGarbage(tool, config)
  must(found.blobs + found.manifests + found.layerLinks === 0, 'the registry\'s own collector finds something', found)
}

/** What the journal says. */
export async function journal (directory: string): Promise<Job[]> {
  const jobs = join(directory, 'state', 'jobs')
  const names = (await readdir(jobs).catch(() => [])).filter(name => name.endsWith('.json'))
  // One that was refused may just be taken off again.
  const texts = await Promise.all(names.map(async name => await readFile(join(jobs, name), 'utf8').catch(() => undefined)))
  return texts.filter(text => text !== undefined).map(text => JSON.parse(text) as Job)
}
