/** The journal, and the room on the disk that is kept for it. */
import { join } from 'node:path'
import type { Settings } from '../config/schema.js'
import { Reserve } from '../jobs/reserve.js'
import { JobStore } from '../jobs/store.js'
import type { Log } from './collection.js'

export async function createJournal ({ state, jobs }: Settings, log: Log): Promise<JobStore> {
  const reserve = await Reserve.open(join(state.directory, 'reserve'), state.reserveBytes)
  if (!reserve.isHeld && state.reserveBytes > 0) log.warn({ directory: state.directory, bytes: state.reserveBytes }, 'the disk is too full to keep room for the journal; deletions that cannot be recorded are refused')
  const onDamage = (file: string, err: unknown): void => { log.warn({ file, err }, 'a file in the journal is no job; it was left where it is') }
  return await JobStore.open(join(state.directory, 'jobs'), jobs, onDamage, reserve)
}
