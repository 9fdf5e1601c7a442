/** `delgate df`: what is stored, what is shared, what nothing uses, and what the trash keeps. */
import type { Usage } from '../../interface/catalog.js'
import { CATALOG_SCOPE } from '../../interface/challenge.js'
import { EXIT, Failure, type ExitCode } from '../failure.js'
import { paint, Table } from '../output.js'
import { pause } from '../pause.js'
import type { Session } from '../session.js'
import { ago, bytes, count } from '../words.js'
import { INCOMPLETE, UNMEASURED } from './ls.js'

export interface DfOptions {
  /** Until everything is measured. */
  readonly wait?: boolean
}

const COLUMNS = [{ title: 'WHAT' }, { title: 'COUNT', right: true }, { title: 'SIZE', right: true }, { title: '' }]
/** Between two looks at a gate that measures for the first time, milliseconds. */
const LOOK_MS = 500
/** So often in a row a gate may be seen to know all that is stored, and not to measure it: it looks at the tags first. */
const IDLE_LOOKS = 60

export async function showUsage ({ wait = false }: DfOptions, session: Session): Promise<ExitCode> {
  const { output } = session
  const usage = wait ? await measured(session) : await lookAt(session)
  await output.document(usage)
  if (output.json) return EXIT.done
  const { stored, used, shared, single, garbage, trash, uploads, disk, measuredAt } = usage
  const table = new Table(output, COLUMNS)
  const once = (...cells: string[]): string[] => measuredAt === null ? [cells[0]!, '-', '-', 'not measured yet'] : cells
  await table.rows([
    ['stored', count(stored.blobs, 'blob'), bytes(stored.bytes), measuredAt === null ? 'and what nothing uses' : ''],
    ['used', count(used.blobs, 'blob'), bytes(used.bytes), 'by a manifest of any repository'],
    ['  shared', count(shared.blobs, 'blob'), bytes(shared.bytes), 'by several repositories'],
    ['  own', count(used.blobs - shared.blobs, 'blob'), bytes(used.bytes - shared.bytes), 'of one repository alone'],
    once('single', count(single.blobs, 'blob'), bytes(single.bytes), 'held by one tag alone'),
    once('garbage', count(garbage.blobs, 'blob'), bytes(garbage.bytes), garbage.bytes > 0 ? 'nothing uses it: delgate gc' : ''),
    ['trash', count(trash.jobs, 'job'), bytes(trash.bytes), trash.jobs > 0 ? 'can be undone: delgate jobs' : ''],
    once('uploads', count(uploads.count, 'upload'), bytes(uploads.bytes), ''),
    ...(disk === null ? [] : [['disk', '', bytes(disk.totalBytes), `${bytes(disk.freeBytes)} free`]])
  ])
  if (measuredAt !== null) await output.line(paint('dim', `measured ${ago(measuredAt)} ago${usage.measuring ? '; it is being measured again' : ''}`))
  if (!usage.complete) output.note(INCOMPLETE)
  else if (measuredAt === null || !usage.measured) output.note(`${UNMEASURED}; delgate df --wait waits until it has`)
  return EXIT.done
}

const lookAt = async ({ client }: Session): Promise<Usage> => await client.json<Usage>('GET', '/delgate/v1/usage', { scopes: [CATALOG_SCOPE] })

/** The first measurement takes a while; later ones are at hand. */
async function measured (session: Session): Promise<Usage> {
  for (let idle = 0; ;) {
    const usage = await lookAt(session)
    if (usage.measuredAt !== null && usage.measured) return usage
    idle = usage.complete && !usage.measuring ? idle + 1 : 0
    if (idle >= IDLE_LOOKS) throw new Failure(EXIT.failed, 'the gate has not measured what is stored, and does not do so now; try again later, its log says why')
    session.output.progress('the gate measures what is stored')
    await pause(LOOK_MS, session.signal)
  }
}
