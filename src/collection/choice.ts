/** Which collector and which freshness are in force, and why. Pure. */
import { SetupError } from '../setup-error.js'

export type Collector = 'online' | 'registry'
/** How the registry is made to forget what was swept; `none`: it remembers nothing. */
export type FreshnessKind = 'evict' | 'restart' | 'none'

export interface Choice {
  readonly collector: Collector
  readonly freshness: FreshnessKind
  /** For the ready line and the status. */
  readonly why: string
}

/** What was found out about the registry, as far as it matters here. */
export interface ChoiceFacts {
  readonly cache: 'inmemory' | 'redis' | 'none'
  readonly deletesEnabled: boolean
  readonly assumed: boolean
}

export interface Wanted {
  readonly collector: 'auto' | Collector
  readonly freshness: 'auto' | 'evict' | 'restart'
}

/**
 * @param mayRestart whether Delgate can restart the registry
 * @throws SetupError when what is wanted cannot work with this registry
 */
export function choose (wanted: Wanted, facts: ChoiceFacts, mayRestart = true): Choice {
  const choice = chosen(wanted, facts)
  if (mayRestart || (choice.collector === 'online' && choice.freshness !== 'restart')) return choice
  const reason = choice.collector === 'registry' ? 'the registry\'s own collector was asked for' : `the registry would have to be restarted to forget what is gone: ${choice.why}`
  throw new SetupError(`registry.controller is none, so Delgate can neither run the registry's collector nor restart it, but ${reason}. Enable deletes in the registry (REGISTRY_STORAGE_DELETE_ENABLED=true; tell Delgate by registry.config or the same variable), or choose another controller`)
}

function chosen (wanted: Wanted, facts: ChoiceFacts): Choice {
  const collector = wanted.collector === 'auto' ? 'online' : wanted.collector
  if (collector === 'registry') return byRegistry(wanted, facts)
  if (facts.cache === 'none') return { collector, freshness: 'none', why: 'the registry has no cache' }
  if (facts.cache === 'redis') {
    if (wanted.freshness === 'restart') throw new SetupError('collection.freshness is restart, but the registry caches in Redis, which a restart does not clear. Set it to auto or evict')
    return { collector, freshness: 'evict', why: 'the registry caches in Redis, where Delgate removes what is gone' }
  }
  if (wanted.freshness === 'restart') return { collector, freshness: 'restart', why: 'collection.freshness says so' }
  if (facts.deletesEnabled) return { collector, freshness: 'evict', why: 'the registry accepts deletes, by which it forgets' }
  const reason = facts.assumed ? 'it is not known whether the registry accepts deletes, by which it would forget' : 'the registry has deletes disabled, by which it would forget'
  if (wanted.freshness === 'evict') throw new SetupError(`collection.freshness is evict, but ${reason}. Set storage.delete.enabled in the registry's configuration (REGISTRY_STORAGE_DELETE_ENABLED=true), or collection.freshness to restart`)
  return { collector, freshness: 'restart', why: `${reason} (REGISTRY_STORAGE_DELETE_ENABLED=true)` }
}

function byRegistry (wanted: Wanted, facts: ChoiceFacts): Choice {
  if (facts.cache === 'redis') throw new SetupError('collection.collector is registry, but the registry caches in Redis, which a restart does not clear, so a later push would meet "Layer already exists". Set collection.collector to online')
  if (wanted.freshness === 'evict') throw new SetupError('collection.freshness is evict, which goes with the collector online alone: after its own garbage-collect the registry is restarted. Set collection.collector to online, or collection.freshness to restart')
  return { collector: 'registry', freshness: facts.cache === 'none' ? 'none' : 'restart', why: 'collection.collector says so' }
}
