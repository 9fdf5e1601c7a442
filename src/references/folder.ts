/** What the index knows of the directories that it watches. All are few: objects are cheap enough here. */
import type { RepositoryName } from '../oci/name.js'
import type { Stamp } from '../storage/stamp.js'
import type { Damage } from '../storage/state.js'
import { EMPTY } from './sorted.js'

/** A directory that was listed. */
export interface Watched {
  /** As it was when it was listed; `undefined`: it must be listed again. */
  stamp: Stamp | undefined
  damages: readonly Damage[]
}

/** A directory below `repositories`: a repository, or a part of a name, or both. */
export class Folder implements Watched {
  stamp: Stamp | undefined
  damages: readonly Damage[] = []
  children = new Map<string, Folder>()
  hasLayers = false
  hasManifests = false
  hasUploads = false

  /** @param path relative to `repositories`, with slashes; empty for that one itself */
  constructor (readonly path: string) {}

  get isRepository (): boolean { return this.hasLayers || this.hasManifests || this.hasUploads }
}

/** A directory with one entry per digest: `revisions/<alg>` or `_layers/<alg>`. */
export class Drawer implements Watched {
  stamp: Stamp | undefined
  damages: readonly Damage[] = []
  /** Numbers of the digests that its entries are named by; each is counted once. */
  names: Int32Array = EMPTY
}

/** A directory with one drawer per algorithm: `revisions` or `_layers`. */
export class Shelf implements Watched {
  stamp: Stamp | undefined
  damages: readonly Damage[] = []
  readonly drawers = new Map<string, Drawer>()
}

/** What the entries of a repository are where they are not plain links to what they are named by. */
export class Oddities {
  /** Revisions without a link: a push may write it without changing any directory above. */
  readonly vacant = new Set<number>()
  /** Revisions whose link cannot be understood. */
  readonly damaged = new Map<number, Damage>()
  /** Revisions whose link holds another digest. */
  readonly renamed = new Map<number, number>()
  /** Layers that must be looked at: not yet read, or without a link. */
  readonly vacantLayers = new Set<number>()
  readonly damagedLayers = new Map<number, Damage>()
  /** Layers that are stored under another name. */
  readonly aliases = new Map<number, number>()
  /** Layers, named by another algorithm than sha256, in manifests that were just pushed: what is stored is not known yet. Each is counted once. */
  readonly unknown = new Set<number>()

  get isEmpty (): boolean {
    return [this.vacant, this.damaged, this.renamed, this.vacantLayers, this.damagedLayers, this.aliases, this.unknown].every(({ size }) => size === 0)
  }
}

export class Repository {
  readonly revisions = new Shelf()
  readonly layers = new Shelf()
  oddities: Oddities | undefined
  /** `_manifests` is there, `_layers` is not. */
  isLopsided = false

  /** @param number its number in the graph */
  constructor (readonly name: RepositoryName, readonly number: number) {}

  /** To be changed. */
  get odd (): Oddities {
    this.oddities ??= new Oddities()
    return this.oddities
  }
}

export function drawerOf (shelf: Shelf, algorithm: string): Drawer {
  let drawer = shelf.drawers.get(algorithm)
  if (drawer === undefined) shelf.drawers.set(algorithm, drawer = new Drawer())
  return drawer
}
