/** The tags of a repository, each with its image and what only it holds. */
import { setImmediate } from 'node:timers/promises'
import type { PlanOptionsFor } from '../deletion/plan.js'
import { plan } from '../deletion/planner.js'
import { closure, pointedTo } from '../deletion/reach.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'
import type { ReferenceIndex } from '../references/index.js'
import { damageText, type RepositoryState } from '../storage/state.js'
import * as paths from '../storage/paths.js'
import type { Images } from './images.js'
import type { Allowance, Measure } from './measure.js'
import { isoTime, type LastPull } from './repositories.js'

export interface TagSummary {
  readonly tag: Tag
  /** What it points to; not there when its link cannot be read. */
  readonly digest?: Digest
  readonly mediaType?: string
  readonly platforms: readonly string[]
  /** When the image was made, as it says itself. ISO 8601. */
  readonly createdAt: string | null
  readonly pushedAt: string | null
  readonly pulledAt: string | null
  /** All that a client may pull by it. Bytes. */
  readonly bytes: number
  /** What only this tag holds: what its deletion frees. Bytes. */
  readonly ownBytes: number
  /** Whether all sizes are known: otherwise the bytes are too few. */
  readonly measured: boolean
  /** Why it cannot be understood. */
  readonly problem?: string
}

export interface TagsParts {
  readonly states: { repository (name: RepositoryName): Promise<RepositoryState> }
  readonly index: ReferenceIndex
  readonly images: Images
  readonly measure: Measure
  readonly planOptions: PlanOptionsFor
  readonly lastPull: LastPull
}

export class Tags {
  constructor (private readonly parts: TagsParts) {}

  /** The repository's tags, in order of name; `undefined` where there is no such repository. */
  async list (repository: RepositoryName): Promise<{ readonly names: readonly Tag[], summary (tag: Tag): Promise<TagSummary> } | undefined> {
    const state = await this.parts.states.repository(repository)
    if (!state.hasManifests) return undefined
    const allowance = this.parts.measure.allowance()
    return {
      names: [...state.tags.keys()].sort(),
      summary: async tag => {
      // Each takes as long as there are manifests: pushes and pulls have their turn in between.
        await setImmediate()
        return await this.#summary(state, tag, allowance)
      }
    }
  }

  async #summary (state: RepositoryState, tag: Tag, allowance: Allowance): Promise<TagSummary> {
    const { index, images, measure, planOptions, lastPull } = this.parts
    const { current, modifiedAt } = state.tags.get(tag)!
    const times = { pushedAt: isoTime(modifiedAt), pulledAt: isoTime(lastPull(state.name, tag)) }
    const all = closure(state, pointedTo(state.tags.get(tag)!))
    const planned = plan(state, { type: 'tag', repository: state.name, tag }, planOptions(state.name))
    const own = planned.outcome === 'planned' ? planned.plan.manifests : []
    const { bytes, ownBytes, measured } = await measure.weigh(() => index.weights.manifests(state.name, all, own), allowance)
    const facts = current === undefined ? undefined : await images.facts(current)
    const problem = problemOf(state, tag, current, facts !== undefined)
    return {
      tag,
      ...current === undefined ? {} : { digest: current },
      ...facts === undefined ? {} : { mediaType: facts.mediaType },
      platforms: facts?.platforms ?? [],
      createdAt: isoTime(facts?.createdAt),
      ...times,
      bytes,
      ownBytes,
      measured,
      ...problem === undefined ? {} : { problem }
    }
  }
}

function problemOf (state: RepositoryState, tag: Tag, current: Digest | undefined, isReadable: boolean): string | undefined {
  if (current === undefined) {
    const damage = state.damages.find(({ path }) => path.startsWith(`${paths.tagDirectory(state.name, tag)}/`))
    return damage === undefined ? 'the link is missing' : damageText(damage)
  }
  if (!state.revisions.has(current)) return `the manifest ${current} is not linked in the repository: nobody can pull it`
  return isReadable ? undefined : `the manifest ${current} is not stored, or cannot be read`
}
