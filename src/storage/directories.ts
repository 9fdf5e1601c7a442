/**
 * The directories of one repository, as they were last read: each is read again only where its stamp says so.
 */
import type { Stats } from 'node:fs'
import { join } from 'node:path'
import { algorithmOf, hexOf, parseDigest, type Digest } from '../oci/digest.js'
import { parseTag, type Tag } from '../oci/name.js'
import type { EntryReader } from './entries.js'
import { isCounted, sameStamp, stampOf, type Stamp } from './stamp.js'
import type { Damage } from './state.js'

/** The names in a directory. While nothing changes it stays the same object. */
export interface Listing<Name> {
  readonly names: readonly Name[]
  readonly damages: readonly Damage[]
}

/**
 * A directory that changed within this time before it was listed may have changed once more without its times showing
 * it: they advance in ticks of the kernel, 10 ms at most (git's documentation calls this "racy"). Milliseconds.
 */
const TICK_MS = 50
/** The same on file systems that keep whole seconds, or every other second. Milliseconds. */
const COARSE_TICK_MS = 2_500

export const EMPTY: Listing<never> = { names: [], damages: [] }

/** A listing that was made of others. */
interface Derived { readonly from: ReadonlyArray<Listing<string>>, readonly listing: Listing<unknown> }

export class Directories {
  readonly #listings = new Map<string, Listing<string>>()
  /** Of listings that are to be trusted while the stamp stays. */
  readonly #stamps = new Map<string, Stamp>()
  readonly #derived = new Map<string, Derived>()

  constructor (private readonly reader: EntryReader) {}

  /** The tags in a repository's `tags`. */
  async tags (directory: string): Promise<Listing<Tag>> {
    const from = await this.#list(directory)
    return this.#derive(directory, [from], () => parsed(directory, from, parseTag, 'it is not a tag'))
  }

  /** The digests that `<directory>/<alg>/<hex>` names. */
  async digests (directory: string): Promise<Listing<Digest>> {
    const algorithms = await this.#list(directory)
    const inner: Array<Listing<string>> = []
    for (const algorithm of algorithms.names) inner.push(await this.#list(join(directory, algorithm), true))
    return this.#derive(directory, [algorithms, ...inner], () => {
      const listings = inner.map((listing, at) => parsed(join(directory, algorithms.names[at]!), listing, hex => parseDigest(`${algorithms.names[at]}:${hex}`), 'it is not a digest'))
      return { names: listings.flatMap(({ names }) => names), damages: [...algorithms.damages, ...listings.flatMap(({ damages }) => damages)] }
    })
  }

  /**
   * Directories `<directory>/<alg>/<hex>` were removed by a deletion. The others need not be listed again where the file
   * system's count says that nothing else has changed since the deletion was planned. Nobody else removes any there
   * meanwhile, so none can have come in the place of another.
   */
  async removed (directory: string, digests: readonly Digest[]): Promise<void> {
    for (const algorithm of new Set(digests.map(algorithmOf))) {
      const inner = join(directory, algorithm)
      const [known, before] = [this.#listings.get(inner), this.#stamps.get(inner)]
      if (known === undefined || before === undefined || !isCounted(before)) continue
      const after = directoryStamp(await this.reader.stats(inner))
      // Listed again meanwhile.
      if (this.#listings.get(inner) !== known || this.#stamps.get(inner) !== before) continue
      const gone = new Set(digests.filter(digest => algorithmOf(digest) === algorithm).map(hexOf))
      const names = known.names.filter(name => !gone.has(name))
      this.#stamps.delete(inner)
      if (after === undefined || !isCounted(after) || after.inode !== before.inode || before.links - after.links !== known.names.length - names.length) continue
      this.#listings.set(inner, { names, damages: known.damages })
      this.#stamps.set(inner, after)
    }
  }

  /** @param counts whether one cannot have gone where another came, so that the file system's count tells of changes too */
  async #list (directory: string, counts = false): Promise<Listing<string>> {
    const known = this.#listings.get(directory)
    const readAt = Date.now()
    const stamp = directoryStamp(await this.reader.stats(directory))
    const trusted = this.#stamps.get(directory)
    if (known !== undefined && stamp !== undefined && sameStamp(trusted, stamp)) return known
    const damages: Damage[] = []
    const names = (await this.reader.list(directory, damages)).map(entry => entry.name)
    if (stamp !== undefined && (isTrusted(stamp, readAt) || (counts && isCounted(stamp)))) this.#stamps.set(directory, stamp)
    else this.#stamps.delete(directory)
    const listing = known !== undefined && isAlike(known, names, damages) ? known : { names, damages }
    this.#listings.set(directory, listing)
    return listing
  }

  #derive<Name> (key: string, from: ReadonlyArray<Listing<string>>, make: () => Listing<Name>): Listing<Name> {
    const known = this.#derived.get(key)
    if (known?.from.length === from.length && from.every((listing, at) => listing === known.from[at])) return known.listing as Listing<Name>
    const listing = make()
    this.#derived.set(key, { from, listing })
    return listing
  }
}

/** @returns `undefined` for anything but a directory */
const directoryStamp = (stats: Stats | undefined): Stamp | undefined => stats?.isDirectory() === true ? stampOf(stats) : undefined

/** Whether the same stamp later means the same directories. @param readAt before the stamp was taken */
export function isTrusted ({ modifiedAt, changedAt }: Stamp, readAt: number): boolean {
  const isCoarse = modifiedAt % 1000 === 0 && changedAt % 1000 === 0
  return Math.max(modifiedAt, changedAt) < readAt - (isCoarse ? COARSE_TICK_MS : TICK_MS)
}

function parsed<Name> (directory: string, { names, damages }: Listing<string>, parse: (name: string) => Name | undefined, reason: string): Listing<Name> {
  const found: Name[] = []
  const odd: Damage[] = [...damages]
  for (const name of names) {
    const one = parse(name)
    if (one === undefined) odd.push({ kind: 'tree', path: join(directory, name), reason })
    else found.push(one)
  }
  return { names: found, damages: odd }
}

const isAlike = (known: Listing<string>, names: readonly string[], damages: readonly Damage[]): boolean =>
  known.names.length === names.length && damages.length === 0 && known.damages.length === 0 && names.every((name, at) => name === known.names[at])
