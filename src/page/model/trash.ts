/** What the trash keeps, and what of it can be listed. Pure. */
import type { Job } from '../../interface/jobs.js'
import { count } from './format.js'

/** Those of the jobs that can still be undone. */
export const keptOf = (jobs: readonly Job[]): Job[] => jobs.filter(({ trash }) => trash?.state === 'kept')

/**
 * Says that there is more in the trash than is listed; nothing where there is not.
 * @param asked among so many jobs was looked
 */
export function unlistedWords (listed: number, total: number, asked: number): string | undefined {
  if (listed >= total) return undefined
  return `Only ${listed.toLocaleString('en')} of ${count(total, 'deletion')} can be listed here: those among the newest ${asked.toLocaleString('en')} jobs that you may see. Emptying the trash is about all.`
}
