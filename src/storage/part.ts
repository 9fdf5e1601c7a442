/**
 * One part of a repository (its tags, its revisions, its layers) kept in memory, and brought up to date by difference:
 * only what is new, odd, or asked for is read.
 */
import { each } from './concurrency.js'
import { EMPTY, type Listing } from './directories.js'
import type { Entry } from './entries.js'
import type { Damage } from './state.js'

export interface Part<Name, Value> {
  readonly listing: Listing<Name>
  /** Handed out: a change makes a new one. */
  readonly values: ReadonlyMap<Name, Value>
  /** What is damaged or has no link, and so is read again each time. */
  readonly odd: ReadonlyMap<Name, readonly Damage[]>
}

export interface PartReading<Name, Value> {
  readonly listing: Listing<Name>
  /** Names to read again although they are known. */
  readonly again: 'all' | Iterable<Name>
  readonly read: (name: Name) => Promise<Entry<Value>>
  readonly isSame: (a: Value, b: Value) => boolean
}

export const emptyPart = <Name, Value>(): Part<Name, Value> => ({ listing: EMPTY, values: new Map(), odd: new Map() })

/** @returns the part as it is now, and which of its values were read and differ */
export async function refreshPart<Name, Value> (old: Part<Name, Value>, reading: PartReading<Name, Value>): Promise<{ part: Part<Name, Value>, changed: Map<Name, Value> }> {
  const { listing, read, isSame } = reading
  const listed = old.listing === listing ? undefined : new Set(listing.names)
  const found = new Map<Name, Entry<Value>>()
  await each([...toRead(old, reading, listed)], async name => { found.set(name, await read(name)) })

  const gone = listed === undefined ? [] : [...old.values.keys()].filter(name => !listed.has(name))
  const changed = new Map<Name, Value>()
  for (const [name, { value }] of found) {
    const before = old.values.get(name)
    if (value === undefined ? before !== undefined : before === undefined || !isSame(before, value)) {
      if (value === undefined) gone.push(name)
      else changed.set(name, value)
    }
  }
  const odd = oddOnes(old, found, listed)
  if (gone.length === 0 && changed.size === 0) return { part: { listing, values: old.values, odd }, changed }
  const values = new Map(old.values)
  gone.forEach(name => values.delete(name))
  for (const [name, value] of changed) values.set(name, value)
  return { part: { listing, values, odd }, changed }
}

function toRead<Name, Value> (old: Part<Name, Value>, { listing, again }: PartReading<Name, Value>, listed: ReadonlySet<Name> | undefined): Iterable<Name> {
  if (again === 'all') return listing.names
  const names = new Set<Name>()
  if (listed !== undefined) for (const name of listing.names) if (!old.values.has(name)) names.add(name)
  const isListed = (name: Name): boolean => listed === undefined ? old.values.has(name) || old.odd.has(name) : listed.has(name)
  for (const name of old.odd.keys()) if (isListed(name)) names.add(name)
  for (const name of again) if (isListed(name)) names.add(name)
  return names
}

function oddOnes<Name, Value> (old: Part<Name, Value>, found: ReadonlyMap<Name, Entry<Value>>, listed: ReadonlySet<Name> | undefined): ReadonlyMap<Name, readonly Damage[]> {
  const odd = new Map([...old.odd].filter(([name]) => !found.has(name) && listed?.has(name) !== false))
  for (const [name, { value, damages }] of found) if (value === undefined || damages.length > 0) odd.set(name, damages)
  return odd
}
