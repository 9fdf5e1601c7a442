/** The trash, and what it tells the journal. */
import type { Settings } from '../config/schema.js'
import type { Target } from '../deletion/target.js'
import { SetupError } from '../setup-error.js'
import { isOpen } from '../jobs/job.js'
import type { JobStore } from '../jobs/store.js'
import type { Metrics } from '../metrics/metrics.js'
import type { KeptAside } from '../storage/kept-aside.js'
import { keepUntil } from '../trash/keep-for.js'
import { Trash } from '../trash/trash.js'
import type { Log } from './collection.js'

/**
 * @param metrics told what the trash gives back
 * @returns the trash, and until when a deletion that is made now is kept
 * @throws SetupError where nothing can be kept although the settings ask for it
 */
export async function createTrash ({ trash: { keepFor, maximumBytes } }: Settings, kept: KeptAside, store: JobStore, log: Log, metrics?: Pick<Metrics, 'freed'>): Promise<{ trash: Trash, keepUntil: (target: Target['type']) => number | undefined }> {
  if (Object.values(keepFor).some(hours => hours > 0) && !await kept.isBeside()) throw new SetupError('repositories is a file system of its own, so nothing can be moved from there into the trash beside it. Mount the directory above both, or leave trash.keepFor out')
  const onPurged = async (ids: readonly string[]): Promise<void> => {
    for (const id of ids) {
      const job = store.get(id)
      if (job?.trash?.state === 'kept') await store.save({ ...job, trash: { ...job.trash, state: 'purged' } })
    }
  }
  const isRunning = (id: string): boolean => {
    const job = store.get(id)
    return job !== undefined && isOpen(job)
  }
  const trash = await Trash.open(kept, { maximumBytes, isRunning, onPurged, onFreed: metrics === undefined ? undefined : bytes => { metrics.freed('trash', bytes) }, log }, id => {
    const job = store.get(id)
    return job === undefined ? undefined : job.trash?.state === 'kept'
  })
  store.watchAll(job => {
    if (!isOpen(job)) trash.limit().catch((err: unknown) => { log.warn({ err }, 'the trash is over its size, and what is kept longest could not be removed') })
  })
  return { trash, keepUntil: target => keepUntil(keepFor, target, Date.now()) }
}
