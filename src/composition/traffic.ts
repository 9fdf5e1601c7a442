/** The parts that know what is running. */
import type { Settings } from '../config/schema.js'
import type { Metrics } from '../metrics/metrics.js'
import { Admission } from '../traffic/admission.js'
import { Ghosts } from '../traffic/ghosts.js'
import { Leases } from '../traffic/leases.js'
import { RepositoryLocks } from '../traffic/locks.js'
import { Pulls } from '../traffic/pulls.js'
import { Reads } from '../traffic/reads.js'
import { Sessions } from '../traffic/sessions.js'
import { Tombstones } from '../traffic/tombstones.js'

export interface TrafficParts {
  readonly admission: Admission
  readonly sessions: Sessions
  readonly pulls: Pulls
  readonly leases: Leases
  readonly tombstones: Tombstones
  readonly ghosts: Ghosts
  readonly locks: RepositoryLocks
  readonly reads: Reads
}

/** @param metrics told how long requests had to wait */
export function createTraffic ({ hold, drain }: Pick<Settings, 'hold' | 'drain'>, metrics?: Pick<Metrics, 'requestHeld' | 'claimWaited'>): TrafficParts {
  const admission = new Admission(hold, metrics?.requestHeld)
  const sessions = new Sessions(drain.sessionIdleSeconds, () => { admission.changed() })
  const pulls = new Pulls(drain.pullIdleSeconds)
  const leases = new Leases(sessions, pulls, metrics?.claimWaited)
  const tombstones = new Tombstones((repository, digest) => leases.isLinkLeased(repository, digest))
  return { admission, sessions, pulls, leases, tombstones, ghosts: new Ghosts(), locks: new RepositoryLocks(), reads: new Reads() }
}
