/** `delgate df`: what is stored, what is shared, what nothing uses, and what the trash keeps. */
import type { Usage } from '../../interface/catalog.js'
import { CATALOG_SCOPE } from '../../interface/challenge.js'
import { EXIT, Failure, type ExitCode } from '../failure.js'
import { paint, Table } from '../output.js'
import { pause } from '../pause.js'
import type { Session } from '../session.js'
import { ago, bytes, count } from '../words.js'
import { INCOMPLETE } from './ls.js'

const COLUMNS = [{ title: 'WHAT' }, { title: 'COUNT', right: true }, { title: 'SIZE', right: true }, { title: '' }]
/** Between two looks at a gate that measures for the first time, milliseconds. */
const LOOK_MS = 500
/** So often in a row a gate may be seen to know all that is stored, and not to measure it: it looks at the tags first. */
const IDLE_LOOKS = 60

export async function showUsage (session: Session): Promise<ExitCode> {
  const { output } = session
  const usage = await measured(session)
  await output.document(usage)
  if (output.json) return EXIT.done
  const { stored, used, shared, single, garbage, trash, uploads, disk } = usage
  await new Table(output, COLUMNS).rows([
    ['stored', count(stored.blobs, 'blob'), bytes(stored.bytes), ''],
    ['used', count(used.blobs, 'blob'), bytes(used.bytes), 'by a manifest of any repository'],
    ['  shared', count(shared.blobs, 'blob'), bytes(shared.bytes), 'by several repositories'],
    ['  own', count(used.blobs - shared.blobs, 'blob'), bytes(used.bytes - shared.bytes), 'of one repository alone'],
    ['single', count(single.blobs, 'blob'), bytes(single.bytes), 'held by one tag alone'],
    ['garbage', count(garbage.blobs, 'blob'), bytes(garbage.bytes), garbage.bytes > 0 ? 'nothing uses it: delgate gc' : ''],
    ['trash', count(trash.jobs, 'job'), bytes(trash.bytes), trash.jobs > 0 ? 'can be undone: delgate jobs' : ''],
    ['uploads', count(uploads.count, 'upload'), bytes(uploads.bytes), ''],
    ...(disk === null ? [] : [['disk', '', bytes(disk.totalBytes), `${bytes(disk.freeBytes)} free`]])
  ])
  await output.line(paint('dim', `measured ${ago(usage.measuredAt)} ago${usage.measuring ? '; it is being measured again' : ''}`))
  if (!usage.complete) output.note(INCOMPLETE)
  return EXIT.done
}

/** The first measurement takes a while; later ones are at hand. */
async function measured ({ client, output, signal }: Session): Promise<Usage> {
  for (let idle = 0; ;) {
    const usage = await client.json<Usage>('GET', '/delgate/v1/usage', { scopes: [CATALOG_SCOPE] })
    if (usage.measuredAt !== null) return usage
    idle = usage.complete && !usage.measuring ? idle + 1 : 0
    if (idle >= IDLE_LOOKS) throw new Failure(EXIT.failed, 'the gate has not measured what is stored, and does not do so now; try again later, its log says why')
    output.progress('the gate measures what is stored')
    await pause(LOOK_MS, signal)
  }
}
