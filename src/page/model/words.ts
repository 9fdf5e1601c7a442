/** Jobs and refusals in plain words. Pure. */
import { hasEnded, type Job, type Target } from '../../interface/jobs.js'
import type { ErrorEntry } from '../api/types.js'
import { count, formatBytes } from './format.js'

/** What a deletion is about, as a title. */
export function targetWords (target: Target): string {
  switch (target.type) {
    case 'tag': return `${target.repository}:${target.tag}`
    case 'manifest': case 'blob': return `${target.repository}@${target.digest.slice(0, 19)}…`
    case 'tags': return `all tags of ${target.repository}`
    case 'repository': return target.recursive ? `${target.repository} and what is below it` : `repository ${target.repository}`
    case 'everything': return 'every repository'
    case 'untagged': return 'manifests without a tag'
    case 'garbage': return 'what nothing uses'
    case 'retention': return 'what the retention rules let go'
  }
}

export function jobTitle (job: Job): string {
  const verb = job.kind === 'undo' ? 'Undo of deleting' : job.kind === 'collection' ? 'Collect' : 'Delete'
  return `${verb} ${targetWords(job.target)}`
}

/** The steps of a job, in their order, with what each does. */
export const PHASES: ReadonlyArray<readonly [phase: string, words: string]> = [
  ['unlink', 'Removing the references'],
  ['waiting', 'Waiting for its turn'],
  ['scan', 'Looking at what is still used'],
  ['drain', 'Waiting for running pushes'],
  ['collect', 'Freeing unused layers'],
  ['restart', 'Making the registry forget'],
  ['ended', 'Ended']
]

/** How far along a job is, from 0 to 1. */
export const progressOf = ({ phase }: Job): number => Math.max(0, PHASES.findIndex(([name]) => name === phase)) / (PHASES.length - 1)

/** Whether it can be put back. */
export const canUndo = (job: Job): boolean => job.kind !== 'undo' && job.trash?.state === 'kept' && hasEnded(job)

/** Where a job is, or what came of it, in a sentence. */
export function outcomeWords (job: Job): string {
  switch (job.state) {
    case 'queued': return 'Waiting for its turn'
    case 'running': return PHASES.find(([phase]) => phase === job.phase)?.[1] ?? 'Running'
    case 'cancelled': return job.trash?.state === 'undone' ? doneWords(job) : cancelledWords(job)
    case 'failed': return `${job.error?.message ?? 'It failed'}${job.nextAttemptAt === undefined ? '' : '; it is tried again'}`
    case 'done': return job.kind === 'undo' ? 'Everything is back.' : doneWords(job)
  }
}

/** Whether it removes references, which it does before it waits. */
const unlinks = ({ target }: Job): boolean => target.type !== 'garbage'

/** What there is to know before a job that waits is cancelled. */
export const cancelWords = (job: Job): string | undefined =>
  unlinks(job) ? 'brings nothing back: the references are gone already, and what only they held goes with the next collection' : undefined

const cancelledWords = (job: Job): string =>
  `Cancelled. ${unlinks(job) ? 'What it deleted stays deleted, and what only that held goes with the next collection.' : 'What nothing uses goes with the next collection.'}`

function doneWords ({ receipt, trash, withheld }: Job): string {
  if (withheld === true) return 'What it freed is shown to those who see all repositories.'
  const { bytesFreed, bytesInTrash, counts } = receipt
  const gone = [counts.tags > 0 ? count(counts.tags, 'tag') : '', counts.blobs > 0 ? count(counts.blobs, 'blob') : ''].filter(text => text !== '').join(' and ')
  if (trash?.state === 'undone') return `It was undone; ${gone === '' ? 'nothing is gone' : `${gone} came back`}.`
  if (trash?.state === 'kept') return `${formatBytes(bytesInTrash)} are kept in the trash${bytesFreed > 0 ? `, ${formatBytes(bytesFreed)} are free` : ''}.`
  return `${formatBytes(bytesFreed)} are free again${gone === '' ? '' : `: ${gone} went`}.`
}

/** Why something was refused, and what to do. */
export function refusalWords (status: number, error: ErrorEntry | undefined, retryAfter: string | null): string {
  const wait = retryAfter === null ? 'Try again later.' : `Try again in ${retryAfter} s.`
  const { rule, repository, tag } = error?.detail ?? {}
  if (status === 403 && rule !== undefined) return `Protected: the rule “${rule}” of Delgate’s configuration keeps ${tag === undefined ? `repository ${repository}` : `tag ${tag} of ${repository}`}. Whoever runs Delgate can change that rule.`
  if (status === 401 || status === 403) return error === undefined || status === 401 ? 'The registry does not let you do this. Ask whoever runs it for the right to delete here.' : sentence(error.message)
  if (status === 404) return error?.code === 'JOB_UNKNOWN' ? 'There is no such job, or it is not yours to see.' : 'It does not exist, or no longer.'
  if (status === 409) return `Something stands in the way: ${sentence(error?.message ?? 'it is in use')}`
  if (status === 429) return `Too many wrong logins came from here. ${wait}`
  if (status === 502 || status === 503) return `${sentence(error?.message ?? 'the registry is not available')} ${wait}`
  return error === undefined ? `Delgate answered with status ${status}. Its log says more.` : sentence(error.message)
}

/** A message of the interface as a sentence. */
function sentence (message: string): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}${/[.!?]$/.test(message) ? '' : '.'}`
}
