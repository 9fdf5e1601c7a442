/** Numbers, times and jobs in words. Pure. */
import type { Job, Receipt } from '../interface/jobs.js'

const UNITS = ['kB', 'MB', 'GB', 'TB', 'PB'] as const

/** Bytes as docker writes them: `0 B`, `12 B`, `4.1 MB`. */
export function bytes (count: number): string {
  let value = count
  let unit = 'B'
  for (const next of UNITS) {
    if (value < 999.5) break
    value /= 1000
    unit = next
  }
  return unit === 'B' ? `${value} B` : `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`
}

/** `1 tag`, `3 tags`, `3 repositories`. */
export const count = (number: number, what: string): string => `${number} ${number === 1 ? what : what.endsWith('y') ? `${what.slice(0, -1)}ies` : `${what}s`}`

/** Images that are to be the same whenever they are built say that they are from about then. */
const NO_TIME = Date.UTC(1981, 0)

/** How long ago a time is, in its largest unit: `3 d`; `-` for never. */
export function ago (time: string | null | undefined, now = Date.now()): string {
  if (time === null || time === undefined || !(Date.parse(time) > NO_TIME)) return '-'
  const seconds = Math.max(0, Math.floor((now - Date.parse(time)) / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

/** The algorithm and the first twelve digits, as docker shows digests. */
export const shortDigest = (digest: string): string => digest.replace(/^([^:]+:[a-f0-9]{12})[a-f0-9]+$/, '$1')

/** Of whatever kind. */
interface AnyTarget { readonly type: string, readonly repository?: string, readonly tag?: string, readonly digest?: string, readonly recursive?: boolean }

/** What a job is about, as one would write it. */
export function targetText ({ type, repository, tag, digest, recursive }: AnyTarget): string {
  switch (type) {
    case 'tag': return `${repository}:${tag}`
    case 'manifest': return `${repository}@${digest}`
    case 'blob': return `blob ${repository}@${digest}`
    case 'tags': return `all tags of ${repository}`
    case 'repository': return recursive === true ? `${repository} and all below it` : `repository ${repository}`
    case 'everything': return 'everything'
    case 'untagged': return 'what nothing uses, and manifests without a tag'
    case 'garbage': return 'what nothing uses'
    case 'retention': return 'what the retention rules delete'
    default: return repository === undefined ? type : `${type} ${repository}`
  }
}

/** What was removed: `1 tag, 2 manifests, 7 blobs`. */
export function removedText ({ counts }: Pick<Receipt, 'counts'>): string {
  const parts = ([['tags', 'tag'], ['manifests', 'manifest'], ['blobs', 'blob']] as const).filter(([key]) => counts[key] > 0).map(([key, what]) => count(counts[key], what))
  return parts.length === 0 ? 'nothing' : parts.join(', ')
}

/** The room that came back, and what the trash keeps. */
export function freedText ({ bytesFreed, bytesInTrash }: Pick<Receipt, 'bytesFreed' | 'bytesInTrash'>): string {
  return `${bytes(bytesFreed)} freed${bytesInTrash > 0 ? `, ${bytes(bytesInTrash)} in the trash` : ''}`
}

/** How a job stands, in one line. */
export function jobText (job: Job): string {
  const what = targetText(job.target)
  if (job.withheld === true) return `${what}: ${job.state}; what it removed is shown to those who see all repositories`
  switch (job.state) {
    case 'queued': return `${what}: queued (${job.phase})`
    case 'running': return `${what}: running (${job.phase}), ${removedText(job.receipt)} so far`
    case 'cancelled': return `${what}: cancelled`
    case 'failed': return `${what}: failed: ${job.error?.message ?? 'no reason given'}${job.nextAttemptAt === undefined ? '' : `; it is tried again at ${job.nextAttemptAt}`}`
    case 'done': return job.restored === undefined
      ? `${what}: done, ${removedText(job.receipt)} removed, ${freedText(job.receipt)}`
      : `${what}: done, ${count(job.restored.tags.length, 'tag')} and ${count(job.restored.manifests.length, 'manifest')} are back`
  }
}

/** The ways of a job, in order: docs/garbage-collection.md. */
const PHASES = ['unlink', 'waiting', 'scan', 'drain', 'collect', 'restart', 'ended']

/** About how far a job is, 0 to 1. */
export const shareOf = ({ phase }: Pick<Job, 'phase'>): number => (PHASES.indexOf(phase) + 1) / PHASES.length
