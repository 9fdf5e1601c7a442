/** What deletions would take away, and how it is shown before anything is deleted. */
import type { Receipt } from '../../interface/jobs.js'
import { Refusal } from '../client.js'
import { Failure } from '../failure.js'
import { paint, Table } from '../output.js'
import type { Session } from '../session.js'
import { bytes, count } from '../words.js'
import { requestPath, type Deletion } from './deletion.js'

/** A deletion with the receipt that it would have; without one where there are too many to try each. */
export interface Rehearsed {
  readonly deletion: Deletion
  readonly receipt?: Receipt
}

/** Beyond this many, what the catalog knows must do before a confirmation: a dry run costs as much as reading every link. */
const REHEARSALS_MAXIMUM = 50
/** So many rows are shown before a confirmation. */
const ROWS_MAXIMUM = 30

const COLUMNS = [{ title: 'DELETES' }, { title: 'TAGS', right: true }, { title: 'MANIFESTS', right: true }, { title: 'BLOBS', right: true }, { title: 'FREES', right: true }, { title: 'STAYS' }]

/**
 * Tries the deletions without carrying them out.
 * @param all whether each is tried, however many they are
 * @throws Failure when one of them would be refused: then none is carried out
 */
export async function rehearse (deletions: readonly Deletion[], all: boolean, session: Session): Promise<Rehearsed[]> {
  const rehearsed: Rehearsed[] = []
  const isKnown = deletions.every(({ ownBytes }) => ownBytes !== undefined)
  if (!all && isKnown && deletions.length > REHEARSALS_MAXIMUM) return deletions.map(deletion => ({ deletion }))
  for (const deletion of deletions) {
    session.output.progress(`looks at what would go: ${deletion.text}`, rehearsed.length / deletions.length)
    const { receipt } = await session.client.json<{ receipt: Receipt }>('DELETE', requestPath(deletion, true), { scopes: deletion.scopes }).catch(async (error: unknown) => { throw await explain(error, deletion, session) })
    rehearsed.push({ deletion, receipt })
  }
  return rehearsed
}

/** Names what was refused, and what was probably meant. */
export async function explain (error: unknown, { repository, tag, text, kind }: Deletion, { catalog }: Pick<Session, 'catalog'>): Promise<unknown> {
  if (!(error instanceof Refusal)) return error
  if (error.status === 404 && repository !== undefined && kind !== 'manifest') return await catalog.withSuggestion(error, repository, tag)
  return new Failure(error.exitCode, error.message.includes(text) ? error.message : `${text}: ${error.message}`)
}

/** What all of them free at least: what several hold together comes on top. */
export const freedBytes = (rehearsed: readonly Rehearsed[]): number => rehearsed.reduce((sum, { deletion, receipt }) => sum + (receipt?.bytesFreed ?? deletion.ownBytes ?? 0), 0)

export const freesText = (rehearsed: readonly Rehearsed[]): string => `${rehearsed.length > 1 ? 'at least ' : ''}${bytes(freedBytes(rehearsed))}`

/** Shows what is about to go. */
export async function showPlan (rehearsed: readonly Rehearsed[], { output }: Session, rows = ROWS_MAXIMUM): Promise<void> {
  await new Table(output, COLUMNS).rows(rehearsed.slice(0, rows).map(({ deletion, receipt }) => receipt === undefined
    ? [deletion.text, '', '', '', bytes(deletion.ownBytes ?? 0), '']
    : [deletion.text, String(receipt.counts.tags), String(receipt.counts.manifests), String(receipt.counts.blobs), bytes(receipt.bytesFreed), staysText(receipt)]))
  if (rehearsed.length > rows) await output.line(`… and ${rehearsed.length - rows} more`)
  for (const warning of new Set(rehearsed.flatMap(({ receipt }) => receipt?.warnings ?? []))) await output.line(paint('yellow', `warning: ${warning}`))
}

/** What could have gone but is used, and by whom first of all. */
function staysText ({ kept }: Receipt): string {
  if (kept.length === 0) return ''
  const size = kept.some(one => one.bytes !== undefined) ? ` (${bytes(kept.reduce((sum, one) => sum + (one.bytes ?? 0), 0))})` : ''
  const users = [...new Set(kept.flatMap(({ by }) => by.map(({ repository }) => repository)))]
  return `${count(kept.length, 'digest')}${size}, used by ${users.slice(0, 2).join(', ')}${users.length > 2 ? ` and ${users.length - 2} more` : ''}`
}
