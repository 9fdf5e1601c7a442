/** Repositories made at random, the same ones for the same seed: more ways to hang together than anybody would write down. */
import type { PlanOptions } from '../../src/deletion/plan.js'
import type { RepositoryTarget } from '../../src/deletion/target.js'
import { algorithmOf, hexOf, type Digest } from '../../src/oci/digest.js'
import type { Tag } from '../../src/oci/name.js'
import type { LayerState, RepositoryState, Revision, TagState } from '../../src/storage/state.js'
import { Chance } from '../support/random.js'
import { APP, WRITTEN_AT, d, d512 } from './repository.js'

const BLOBS = ['b0', 'b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7'].map(d)
/** Content of which the manifests know the sha512 name. */
const ALIASED = 'b0'
const MANIFESTS = ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7', 'm8', 'm9'].map(d)

export interface RandomCase {
  readonly state: RepositoryState
  readonly target: RepositoryTarget
  readonly options: PlanOptions
  readonly leased: ReadonlySet<Digest>
}

export function randomCase (seed: number): RandomCase {
  const chance = new Chance(seed)
  const state = randomState(chance)
  const leased = new Set(chance.happens(0.3) ? chance.some([...BLOBS, ...MANIFESTS, d512(ALIASED)], 0.15) : [])
  const staleBefore = chance.happens(0.3) ? WRITTEN_AT : 0
  const options: PlanOptions = { referrers: chance.happens(0.7) ? 'purge' : 'keep', leased: digest => leased.has(digest), pushed: digest => leased.has(digest), uploading: () => true, idleBefore: chance.happens(0.3) ? WRITTEN_AT + 1 : staleBefore, staleBefore }
  return { state, target: randomTarget(chance, state), options, leased }
}

function randomState (chance: Chance): RepositoryState {
  const revisions = randomRevisions(chance)
  const tags = randomTags(chance)
  const layers = randomLayers(chance, revisions)
  const damages = [...revisions.values()].flatMap(revision => revision.readable ? [] : [revision.damage])
  const uploads = chance.happens(0.1) ? [{ id: 'upload', modifiedAt: WRITTEN_AT }] : []
  return { name: APP, exists: true, hasLayers: true, hasManifests: true, tags, revisions, layers, uploads, damages }
}

function randomRevisions (chance: Chance): Map<Digest, Revision> {
  const revisions = new Map<Digest, Revision>()
  const damaged = chance.happens(0.15)
  for (const digest of chance.some(MANIFESTS, 0.7)) {
    const subject = chance.happens(0.25) ? chance.one(MANIFESTS) : undefined
    if (damaged && chance.happens(0.15)) {
      revisions.set(digest, { readable: false, damage: { kind: 'manifest', path: digest, reason: 'it is not JSON' }, modifiedAt: WRITTEN_AT })
    } else if (chance.happens(0.4)) {
      // Children may be missing, may be indexes, may be this one itself; a build cache lists blobs.
      const manifests = [...chance.some(MANIFESTS, 0.25), ...chance.happens(0.1) ? chance.some(BLOBS, 0.3) : []]
      revisions.set(digest, { readable: true, references: { mediaType: 'index', blobs: [], manifests, subject }, modifiedAt: WRITTEN_AT })
    } else {
      const blobs = [...chance.some(BLOBS, 0.3), ...chance.happens(0.15) ? [d512(ALIASED)] : []]
      revisions.set(digest, { readable: true, references: { mediaType: 'image', blobs, manifests: [], subject }, modifiedAt: WRITTEN_AT })
    }
  }
  return revisions
}

function randomTags (chance: Chance): Map<Tag, TagState> {
  const attached = MANIFESTS.flatMap(digest => ['', '.sig', '.att', '.sbom'].map(suffix => `${algorithmOf(digest)}-${hexOf(digest)}${suffix}`))
  const names = [...chance.some(['v1', 'v2', 'v3', 'latest'], 0.6), ...chance.happens(0.5) ? chance.some(attached, 0.1) : []] as Tag[]
  const damaged = chance.happens(0.1)
  return new Map(names.map(name => {
    const history = [...new Set(Array.from({ length: 1 + chance.upTo(3) }, () => chance.one(MANIFESTS)))]
    return [name, { current: damaged && chance.happens(0.3) ? undefined : history.at(-1), modifiedAt: WRITTEN_AT, history }]
  }))
}

function randomLayers (chance: Chance, revisions: ReadonlyMap<Digest, Revision>): Map<Digest, LayerState> {
  const used = new Set([...revisions.values()].flatMap(revision => revision.readable ? revision.references.blobs : []))
  const layers = new Map<Digest, LayerState>()
  for (const digest of BLOBS) {
    if (used.has(digest) ? chance.happens(0.95) : chance.happens(0.2)) layers.set(digest, { digest, target: chance.happens(0.03) ? undefined : digest, modifiedAt: WRITTEN_AT + chance.upTo(3) - 1 })
  }
  const alias = d512(ALIASED)
  if (used.has(alias) || chance.happens(0.05)) {
    layers.set(alias, { digest: alias, target: d(ALIASED), modifiedAt: WRITTEN_AT })
    layers.set(d(ALIASED), { digest: d(ALIASED), target: d(ALIASED), modifiedAt: WRITTEN_AT })
  }
  return layers
}

function randomTarget (chance: Chance, { tags, revisions }: RepositoryState): RepositoryTarget {
  const type = chance.one(['tag', 'tag', 'tag', 'manifest', 'manifest', 'tags', 'repository', 'untagged', 'garbage', 'blob'] as const)
  switch (type) {
    case 'tag': return { type, repository: APP, tag: chance.one([...tags.keys(), 'v1' as Tag]) }
    case 'manifest': return { type, repository: APP, digest: chance.one([...revisions.keys(), ...MANIFESTS]) }
    case 'blob': return { type, repository: APP, digest: chance.one(BLOBS) }
    default: return { type, repository: APP }
  }
}
