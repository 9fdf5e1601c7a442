/** What the facts about a registry mean for the set-up, whether they come from its configuration or from a gate. Pure. */
import { ok, problem, warning, type Finding } from './finding.js'

/** The part of a registry's configuration that is looked at. */
export interface Facts {
  /** Its configuration could not be had. */
  readonly assumed: boolean
  readonly cache: string
  readonly deletesEnabled: boolean
  readonly readOnly: boolean
  readonly pullThrough: boolean
  readonly secretFixed: boolean
}

/** Who sweeps, how the registry forgets, and why so. */
export interface Means {
  readonly collector: string
  readonly freshness: string
  readonly why: string
}

/** Whether it can be deleted from at all. */
export function registryFindings ({ assumed, readOnly, pullThrough }: Facts): Finding[] {
  return [
    assumed
      ? warning('registry', 'its configuration is not known; the defaults of the official images are assumed', 'set registry.config to the path of its config.yml, or give Delgate the same REGISTRY_… variables')
      : ok('registry', 'its configuration is known'),
    ...(readOnly ? [problem('registry', 'it is in read-only mode: nothing can be deleted', 'take storage.maintenance.readonly out of its configuration')] : []),
    ...(pullThrough ? [problem('registry', 'it is a pull-through cache: nothing can be deleted', 'take proxy.remoteurl out of its configuration')] : [])
  ]
}

/** Whether the registry can be told to forget what is gone, and what its restarts cost where it cannot. */
export function cacheFindings ({ cache, deletesEnabled, secretFixed }: Facts, { collector, freshness, why }: Means): Finding[] {
  const where = cache === 'none' ? 'none' : cache === 'redis' ? 'in Redis' : 'in the registry\'s memory'
  const restarts = freshness === 'restart'
  return [
    ok('cache', `${where}; the registry forgets by: ${freshness} (${why}); collector: ${collector}`),
    deletesEnabled
      ? ok('deletes', 'the registry accepts them')
      : warning('deletes', `the registry has them disabled${restarts ? ': Delgate has to restart it after each collection' : ''}`, 'set storage.delete.enabled in its configuration (REGISTRY_STORAGE_DELETE_ENABLED=true)'),
    ...(restarts && !secretFixed ? [warning('uploads', 'the registry has no fixed http.secret: uploads do not survive a restart, so Delgate waits for them', 'give it a REGISTRY_HTTP_SECRET')] : [])
  ]
}

/** @param isOpen whether whoever reaches the port may delete */
export const accessFinding = (isOpen: boolean): Finding => isOpen
  ? warning('who may delete', 'anybody who reaches the gate can delete everything', 'give the registry an auth section, or set access.ways to htpasswd and access.htpasswd; or publish the port to this machine alone')
  : ok('who may delete', 'only those who are known and allowed to')
