/** How long the trash keeps what a deletion removed. Pure. */
import type { Settings } from '../config/schema.js'
import type { Target } from '../deletion/target.js'

const HOUR_MS = 3_600_000

/** @returns until when, milliseconds since the epoch; `undefined`: nothing is kept */
export function keepUntil (keepFor: Settings['trash']['keepFor'], target: Target['type'], now: number): number | undefined {
  const hours = hoursFor(keepFor, target)
  return hours > 0 ? now + hours * HOUR_MS : undefined
}

function hoursFor (keepFor: Settings['trash']['keepFor'], target: Target['type']): number {
  switch (target) {
    case 'tag': return keepFor.tag
    case 'manifest': case 'blob': return keepFor.manifest
    case 'tags': case 'repository': case 'everything': return keepFor.repository
    case 'untagged': return keepFor.untagged
    // One job takes both.
    case 'retention': return Math.max(keepFor.tag, keepFor.untagged)
    case 'garbage': return 0
  }
}
