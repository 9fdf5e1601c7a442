import type { CollectOutcome } from './port.js'

/**
 * What `garbage-collect` says, with exit code 1 and on 2.8 as on 3.x, when no image or no blob was ever pushed: there is
 * nothing to collect, and that is no failure.
 */
const NOTHING_PUSHED = /^failed to garbage collect: .*Path not found: \/docker\/registry\/v2\/(repositories|blobs)\s*$/m

/** The outcome of a run of the registry's `garbage-collect`. */
export function collectOutcome (exitCode: number | undefined, output: string): CollectOutcome {
  if (exitCode === 0 || (exitCode === 1 && NOTHING_PUSHED.test(output))) return { outcome: 'collected', output }
  return { outcome: 'failed', exitCode, output }
}
