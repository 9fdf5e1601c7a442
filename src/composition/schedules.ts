/** What Delgate does by itself at set times. */
import type { Settings } from '../config/schema.js'
import { Schedule } from '../jobs/schedule.js'
import type { Admission } from '../traffic/admission.js'
import type { Log } from './collection.js'

/** What is to be done. */
export interface Scheduled {
  /** Queues a collection of everything that nothing uses. */
  readonly collect: () => Promise<unknown>
  /** Carries out the retention rules. */
  readonly retain: () => Promise<unknown>
}

/** Those that the settings ask for. */
export function createSchedules ({ collection, retention }: Settings, { collect, retain }: Scheduled, admission: Pick<Admission, 'enter'>, log: Log & { error (details: object, message: string): void }): Record<'collection' | 'retention', Schedule | undefined> {
  const at = (expression: string | undefined, what: string, run: () => Promise<unknown>): Schedule | undefined => expression === undefined ? undefined : new Schedule(expression, { what, run, log })
  return {
    collection: at(collection.schedule, 'collection', collect),
    retention: at(retention.schedule, 'retention', async () => {
      // It unlinks, as the deletions of clients do: not while nobody may write.
      const leave = await admission.enter('write')
      await Promise.resolve(retain()).finally(leave)
    })
  }
}
