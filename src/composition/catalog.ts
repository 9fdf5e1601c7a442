/** What is known of the registry's contents for people to look at. */
import { join } from 'node:path'
import { History } from '../catalog/history.js'
import { Images } from '../catalog/images.js'
import { Measure } from '../catalog/measure.js'
import { Repositories, type LastPull } from '../catalog/repositories.js'
import { Tags } from '../catalog/tags.js'
import { TagTimesReader } from '../catalog/tag-times.js'
import { Usage } from '../catalog/usage.js'
import type { Settings } from '../config/schema.js'
import type { PlanOptionsFor } from '../deletion/plan.js'
import { isOpen } from '../jobs/job.js'
import type { JobStore } from '../jobs/store.js'
import type { RepositoryName } from '../oci/name.js'
import type { Leases } from '../traffic/leases.js'
import type { Trash } from '../trash/trash.js'
import type { Log } from './collection.js'
import type { StorageParts } from './storage.js'

export interface CatalogParts {
  readonly repositories: Repositories
  readonly tags: Tags
  readonly usage: Usage
  readonly history: History
  /** A manifest was pushed through the gate. */
  readonly pushed: (repository: RepositoryName) => void
}

export interface CatalogNeeds {
  readonly settings: Settings
  readonly storage: StorageParts
  readonly store: JobStore
  readonly trash: Trash
  readonly leases: Pick<Leases, 'isLeased'>
  readonly planOptions: PlanOptionsFor
  readonly lastPull: LastPull
  readonly closing: AbortSignal
  readonly log: Log
}

export async function createCatalog ({ settings, storage, store, trash, leases, planOptions, lastPull, closing, log }: CatalogNeeds): Promise<CatalogParts> {
  const { index, reader, states } = storage
  const history = await History.open(join(settings.state.directory, 'usage.jsonl'), err => { log.warn({ err }, 'disk use over time cannot be written down') })
  const measure = new Measure(reader, index.weights)
  const tagTimes = new TagTimesReader(reader)
  const usage = new Usage({ index, reader, measure, isLeased: digest => leases.isLeased(digest), tagTimes, trash, history, closing, log })
  // A collection of everything removes what was measured as garbage.
  store.watchAll(job => {
    if (job.kind === 'collection' && !isOpen(job) && !closing.aborted) usage.remeasure().catch((err: unknown) => { if (!closing.aborted) log.warn({ err }, 'the registry could not be measured') })
  })
  return {
    repositories: new Repositories({ index, tagTimes, measure, lastPull }),
    tags: new Tags({ states, index, images: new Images(reader), measure, planOptions, lastPull }),
    usage,
    history,
    pushed: repository => { tagTimes.changed(repository) }
  }
}
