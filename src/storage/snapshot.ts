/**
 * What was last read of one repository, and how it is brought up to date: by difference, at the cost of what changed.
 *
 * No directory shows that an existing tag was pushed again. A manifest PUT writes the revision's link first and the
 * tag's after it, so what is kept here holds to a rule: **every tag was read after every revision that it might have
 * been moved to**, unless it is known which tag it was (the push went through the gate). A revision's link that is new,
 * or was written again, by nobody known therefore has all tags read again; so has one that was written just before the
 * tags were read, since its tag may not have been written yet.
 */
import type { Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'
import { Directories, EMPTY } from './directories.js'
import type { EntryReader } from './entries.js'
import { emptyPart, refreshPart, type Part } from './part.js'
import * as paths from './paths.js'
import type { Damage, LayerState, RepositoryState, Revision, TagState, UploadState } from './state.js'

/** What has to be read again although no directory shows that it changed. */
export interface Marks {
  readonly tags: Set<Tag>
  readonly revisions: Set<Digest>
  readonly layers: Set<Digest>
  /** Pushes through the gate, and when they had been answered: whose tag is known. Milliseconds since the epoch. */
  readonly told: Map<Digest, number>
  allTags: boolean
}

export const noMarks = (): Marks => ({ tags: new Set(), revisions: new Set(), layers: new Set(), told: new Map(), allTags: false })

export interface Snapshot {
  readonly state: RepositoryState
  readonly directories: Directories
  readonly tags: Part<Tag, TagState>
  readonly revisions: Part<Digest, Revision>
  readonly layers: Part<Digest, LayerState>
  /** When the last reading of all tags began, milliseconds since the epoch. */
  readonly tagsReadAt: number
  /** When the latest revision's link was written of which the tag is not known. Milliseconds since the epoch. */
  readonly latestUntold: number
}

/** The registry writes the tag's link this soon after the revision's, on a slow disk. Milliseconds. */
const SETTLED_AFTER_MS = 1_000
/** Revisions are looked at once more after the tags, as long as some came meanwhile. Times. */
const ROUNDS = 4

/** Reads what has changed since, or all of it. */
export async function refresh (reader: EntryReader, name: RepositoryName, old: Snapshot | undefined, marks: Marks): Promise<Snapshot> {
  const damages: Damage[] = []
  const own = await reader.own(name, damages)
  const has = (directory: string): boolean => own.includes(directory)
  const directories = old?.directories ?? new Directories(reader)
  const [manifests, layers, uploads] = await Promise.all([
    refreshManifests(reader, name, old, { marks, directories, present: has('_manifests') }),
    refreshLayers(reader, name, old, { marks, directories, present: has('_layers') }),
    has('_uploads') ? reader.uploads(name, damages) : []
  ])
  for (const { listing, odd } of [manifests.tags, manifests.revisions, layers]) damages.push(...listing.damages, ...[...odd.values()].flat())
  const parts = { tags: manifests.tags.values, revisions: manifests.revisions.values, layers: layers.values, uploads }
  const state: RepositoryState = { name, exists: has('_layers') || has('_manifests') || has('_uploads'), hasLayers: has('_layers'), hasManifests: has('_manifests'), ...parts, damages }
  return { ...manifests, layers, directories, state: old !== undefined && isUnchanged(old.state, state) ? old.state : state }
}

interface Refreshing { readonly marks: Marks, readonly directories: Directories, readonly present: boolean }

async function refreshManifests (reader: EntryReader, name: RepositoryName, old: Snapshot | undefined, { marks, directories, present }: Refreshing): Promise<Pick<Snapshot, 'tags' | 'revisions' | 'tagsReadAt' | 'latestUntold'>> {
  let tags = old?.tags ?? emptyPart<Tag, TagState>()
  let revisions = old?.revisions ?? emptyPart<Digest, Revision>()
  let { tagsReadAt, latestUntold } = old ?? { tagsReadAt: 0, latestUntold: 0 }
  let allTags = old === undefined || marks.allTags
  for (let round = 1; round <= ROUNDS; round++) {
    const listing = present ? await directories.digests(paths.revisionsDirectory(name)) : EMPTY
    if (round > 1 && listing === revisions.listing) break
    const { part, changed } = await refreshPart(revisions, {
      listing,
      again: round > 1 ? [] : [...marks.revisions, ...marks.told.keys()],
      read: async digest => await reader.revision(name, digest),
      isSame: (a, b) => a.modifiedAt === b.modifiedAt && a.readable && b.readable && a.references === b.references
    })
    revisions = part
    for (const [digest, { modifiedAt }] of changed) {
      if (modifiedAt <= (marks.told.get(digest) ?? 0)) continue
      latestUntold = Math.max(latestUntold, modifiedAt)
      allTags = true
    }
    const all = allTags || latestUntold > tagsReadAt - SETTLED_AFTER_MS
    if (all) tagsReadAt = Date.now()
    tags = (await refreshPart(tags, {
      listing: present ? await directories.tags(paths.tagsDirectory(name)) : EMPTY,
      again: all ? 'all' : round > 1 ? [] : marks.tags,
      read: async tag => await reader.tag(name, tag),
      isSame: (a, b) => a.current === b.current && a.modifiedAt === b.modifiedAt && a.history.length === b.history.length && a.history.every((digest, at) => digest === b.history[at])
    })).part
    allTags = false
  }
  return { tags, revisions, tagsReadAt, latestUntold }
}

async function refreshLayers (reader: EntryReader, name: RepositoryName, old: Snapshot | undefined, { marks, directories, present }: Refreshing): Promise<Part<Digest, LayerState>> {
  const { part } = await refreshPart(old?.layers ?? emptyPart<Digest, LayerState>(), {
    listing: present ? await directories.digests(paths.layersDirectory(name)) : EMPTY,
    again: marks.layers,
    read: async digest => await reader.layer(name, digest),
    isSame: (a, b) => a.target === b.target && a.modifiedAt === b.modifiedAt
  })
  return part
}

/** Whether the earlier state still says it all; damage and uploads are looked at each time. */
function isUnchanged (a: RepositoryState, b: RepositoryState): boolean {
  const none = (list: readonly (Damage | UploadState)[]): boolean => list.length === 0
  return a.tags === b.tags && a.revisions === b.revisions && a.layers === b.layers && a.hasLayers === b.hasLayers && a.hasManifests === b.hasManifests && a.exists === b.exists &&
    none(a.damages) && none(b.damages) && none(a.uploads) && none(b.uploads)
}
