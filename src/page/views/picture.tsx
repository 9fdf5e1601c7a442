/** What a deletion frees and what it leaves: a bar of its blobs, and the same in words. */
import { h, Fragment } from 'preact'
import type { Receipt } from '../../interface/jobs.js'
import { formatBytes } from '../model/format.js'
import { hrefOf } from '../model/route.js'
import { keepersOf, partsOf, type Part, type PartKind } from '../model/preview.js'
import { Key } from './parts.js'

const WIDTH = 400
const HEIGHT = 44
const GAP = 1.5
/** So many keepers are named. */
const NAMED = 5

const wordsOf = (kind: PartKind, isKept: boolean): string =>
  kind === 'freed' ? (isKept ? 'moved to the trash' : 'freed') : kind === 'shared' ? 'shared with other repositories, stays' : 'used by other tags here, stays'

export function Picture ({ receipt, repository }: { readonly receipt: Receipt, readonly repository: string | undefined }) {
  const parts = partsOf(receipt, repository)
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0)
  const isKept = receipt.bytesInTrash > 0
  return (
    <Fragment>
      <svg class='picture' viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio='none' aria-hidden='true'>
        <rect class='ground' width={WIDTH} height={HEIGHT} rx='4' />
        {pieces(parts, total).map(({ kind, x, width }, at) => <rect key={at} class={`fill-${kind}`} x={x} width={width} height={HEIGHT} rx='2' />)}
      </svg>
      <ul class='legend'>
        {parts.filter(({ kind, bytes }) => kind === 'freed' || bytes > 0).map(({ kind, bytes }) => <li key={kind}><Key kind={kind} /><strong>{formatBytes(bytes)}</strong> {wordsOf(kind, isKept)}</li>)}
      </ul>
      <Keepers receipt={receipt} />
    </Fragment>
  )
}

/** Each blob as a piece of the bar; those too thin for a gap run together. */
function pieces (parts: readonly Part[], total: number): ReadonlyArray<{ kind: PartKind, x: number, width: number }> {
  let x = 0
  return parts.flatMap(({ kind, pieces }) => pieces.map(bytes => {
    const full = total === 0 ? 0 : bytes / total * WIDTH
    const piece = { kind, x, width: full > 3 * GAP ? full - GAP : full }
    x += full
    return piece
  }))
}

function Keepers ({ receipt }: { readonly receipt: Receipt }) {
  const keepers = keepersOf(receipt)
  if (keepers.length === 0) return <Fragment />
  return (
    <div class='keepers'>
      <h3>Who keeps what stays</h3>
      <ul>
        {keepers.slice(0, NAMED).map(({ repository, tags, bytes }) => <li key={repository}><a href={hrefOf({ view: 'repository', name: repository })}>{repository}</a>{tags.length === 0 ? '' : ` (${tags.slice(0, NAMED).join(', ')}${tags.length > NAMED ? ` and ${tags.length - NAMED} more` : ''})`}{bytes > 0 ? `: ${formatBytes(bytes)}` : ''}</li>)}
        {keepers.length > NAMED ? <li>and {keepers.length - NAMED} more</li> : <Fragment />}
      </ul>
    </div>
  )
}
