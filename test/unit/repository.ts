/** Small repositories written down by hand: every digest has a name, and a plan is shown with those names. */
import { createHash } from 'node:crypto'
import type { Plan, PlanOptions, Planned } from '../../src/deletion/plan.js'
import { parseDigest, type Digest } from '../../src/oci/digest.js'
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from '../../src/oci/name.js'
import type { Damage, LayerState, Manifest, RepositoryState, Revision, TagState } from '../../src/storage/state.js'

const names = new Map<Digest, string>()

/** The digest that goes by this name. */
export function d (name: string): Digest {
  const digest = parseDigest(`sha256:${createHash('sha256').update(name).digest('hex')}`)!
  names.set(digest, name)
  return digest
}

/** The sha512 digest that goes by this name. */
export function d512 (name: string): Digest {
  const digest = parseDigest(`sha512:${createHash('sha512').update(name).digest('hex')}`)!
  names.set(digest, name)
  return digest
}

export const nameOf = (digest: Digest): string => names.get(digest) ?? digest
export const repository = (text: string): RepositoryName => parseRepositoryName(text)!
export const tag = (text: string): Tag => parseTag(text)!

export const APP = repository('team/app')
/** When everything in these repositories was written, unless said otherwise. */
export const WRITTEN_AT = 1_000_000
/** When the deletion was accepted that is gone on with. */
export const SINCE = WRITTEN_AT + 1000
/** When something was pushed that came after that. */
export const LATER = SINCE + 1000

interface ManifestSketch {
  /** Config and layers, by name; a digest stands for itself. */
  readonly blobs?: ReadonlyArray<string | Digest>
  readonly manifests?: ReadonlyArray<string | Digest>
  readonly subject?: string
}

export interface Sketch {
  /**
   * What a tag points to; a list is its history, of which the last is current; `null` is a damaged link, and so is one
   * with only a history; `cut` is a tag whose link is missing.
   */
  readonly tags?: Readonly<Record<string, string | readonly string[] | null | { readonly damagedAfter: readonly string[] } | { readonly cut: readonly string[] }>>
  /** `null` cannot be read. */
  readonly manifests?: Readonly<Record<string, ManifestSketch | null>>
  /** Links of layers besides those that the manifests use. */
  readonly extraLayers?: readonly LayerState[]
  /** Names of used blobs that have no link. */
  readonly without?: readonly string[]
  readonly uploads?: number
  /** Tags and manifests that were pushed `LATER`. */
  readonly later?: readonly string[]
  readonly damages?: readonly Damage[]
  readonly bare?: boolean
}

const asDigest = (name: string | Digest): Digest => parseDigest(name) ?? d(name)

export const layer = (name: string, modifiedAt = WRITTEN_AT): LayerState => ({ digest: d(name), target: d(name), modifiedAt })

export function sketch (of: Sketch): RepositoryState {
  const modifiedAt = (name: string): number => of.later?.includes(name) === true ? LATER : WRITTEN_AT
  const manifests = Object.entries(of.manifests ?? {})
  const revisions = new Map(manifests.map(([name, manifest]): [Digest, Revision] => [d(name), { ...(manifest === null ? unreadable(name) : readable(manifest)), modifiedAt: modifiedAt(name) }]))
  const tags = new Map(Object.entries(of.tags ?? {}).map(([name, points]): [Tag, TagState] => [tag(name), tagState(points, modifiedAt(name))]))
  const used = manifests.flatMap(([, manifest]) => manifest?.blobs ?? []).map(asDigest)
  const layers = new Map<Digest, LayerState>()
  for (const digest of used) {
    if (digest.startsWith('sha256:') && of.without?.includes(nameOf(digest)) !== true) layers.set(digest, { digest, target: digest, modifiedAt: WRITTEN_AT })
  }
  for (const extra of of.extraLayers ?? []) layers.set(extra.digest, extra)
  const damages = [...of.damages ?? [], ...[...revisions.values()].flatMap(revision => revision.readable ? [] : [revision.damage])]
  const uploads = Array.from({ length: of.uploads ?? 0 }, (_, number) => ({ id: `upload-${number}`, modifiedAt: WRITTEN_AT }))
  const exists = of.bare !== true
  return { name: APP, exists, hasLayers: exists, hasManifests: exists, tags, revisions, layers, uploads, damages }
}

function tagState (points: NonNullable<Sketch['tags']>[string], modifiedAt: number): TagState {
  if (points === null) return { current: undefined, modifiedAt, history: [] }
  if (typeof points === 'string') return { current: d(points), modifiedAt, history: [d(points)] }
  if (Array.isArray(points)) return { current: d(points.at(-1) as string), modifiedAt, history: points.map(d) }
  if ('cut' in points) return { current: undefined, modifiedAt: undefined, history: points.cut.map(d) }
  return { current: undefined, modifiedAt, history: (points as { damagedAfter: string[] }).damagedAfter.map(d) }
}

function readable ({ blobs = [], manifests = [], subject }: ManifestSketch): Manifest {
  const mediaType = manifests.length > 0 ? 'application/vnd.oci.image.index.v1+json' : 'application/vnd.oci.image.manifest.v1+json'
  return { readable: true, references: { mediaType, blobs: blobs.map(asDigest), manifests: manifests.map(asDigest), subject: subject === undefined ? undefined : asDigest(subject) } }
}

const unreadable = (name: string): Manifest => ({ readable: false, damage: { kind: 'manifest', path: `blobs/${name}`, reason: 'it is not JSON' } })

/** Nothing is leased, nothing is stale, attachments go; every upload is being worked on. */
export const purge: PlanOptions = { referrers: 'purge', leased: () => false, pushed: () => false, uploading: () => true, idleBefore: 0, staleBefore: 0 }
export const keep: PlanOptions = { ...purge, referrers: 'keep' }
export const leasing = (...leased: Digest[]): PlanOptions => ({ ...purge, leased: digest => leased.includes(digest), pushed: digest => leased.includes(digest) })

/** The plan; throws when there is none. */
export function planOf (planned: Planned): Plan {
  if (planned.outcome !== 'planned') throw new Error(`not planned: ${planned.outcome}`)
  return planned.plan
}

/** The steps of a plan, with names instead of digests. */
export function steps (plan: Plan): { tags: string[], manifests: string[], history: string[], layers: string[], empties: boolean } {
  return {
    tags: plan.tags.map(({ tag }) => tag),
    manifests: plan.manifests.map(nameOf).sort(),
    history: plan.history.map(({ tag, digest }) => `${tag}@${nameOf(digest)}`).sort(),
    layers: plan.layers.map(nameOf).sort(),
    empties: plan.empties
  }
}

/** What is kept, and by which tags, with names. */
export const keptOf = (plan: Plan): Record<string, readonly string[]> => Object.fromEntries(plan.kept.map(({ digest, tags }) => [nameOf(digest), tags]))

/** The repository once a plan has been carried out, as the reader would see it. */
export function after (state: RepositoryState, plan: Plan): RepositoryState {
  const goneManifests = new Set(plan.manifests)
  const goneTags = new Set(plan.tags.map(({ tag }) => tag))
  const goneHistory = new Set(plan.history.map(({ tag, digest }) => `${tag} ${digest}`))
  const goneLayers = new Set(plan.layers)
  const tags = [...state.tags].filter(([name]) => !goneTags.has(name)).map(([name, { current, modifiedAt, history }]): [Tag, TagState] =>
    [name, { current, modifiedAt, history: history.filter(digest => !goneHistory.has(`${name} ${digest}`)) }])
  return {
    ...state,
    exists: state.exists && !plan.empties,
    hasLayers: state.hasLayers && !plan.empties,
    hasManifests: state.hasManifests && !plan.empties,
    tags: new Map(tags),
    revisions: new Map([...state.revisions].filter(([digest]) => !goneManifests.has(digest))),
    layers: new Map([...state.layers].filter(([digest]) => !goneLayers.has(digest)))
  }
}
