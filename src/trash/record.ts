/** What the trash notes of one deletion in one repository, beside what it keeps of it. Plain data, on the registry's own file system. */
import type { Plan } from '../deletion/plan.js'
import { parseDigest, type Digest } from '../oci/digest.js'
import { parseRepositoryName, parseTag } from '../oci/name.js'

/** The part of a plan that can be put back. */
export type Kept = Pick<Plan, 'repository' | 'tags' | 'manifests' | 'history' | 'layers' | 'candidates' | 'spared'>

export interface TrashRecord {
  /** How long it is kept, milliseconds since the epoch. */
  readonly until: number
  readonly plan: Kept
}

export function formatRecord ({ until, plan: { repository, tags, manifests, history, layers, candidates, spared } }: TrashRecord): string {
  return JSON.stringify({ until, plan: { repository, tags, manifests, history, layers, candidates, spared } })
}

/** @throws when it is no record: what is written on a volume may be anybody's */
export function parseRecord (json: string): TrashRecord {
  const { until, plan } = JSON.parse(json) as { until: unknown, plan: Record<keyof Kept, unknown> }
  const repository = parseRepositoryName(text(plan.repository))
  if (repository === undefined) throw new Error('not a repository')
  return {
    until: time(until),
    plan: {
      repository,
      tags: list(plan.tags).map(tagged => ({ tag: tagOf(tagged), ...(tagged.digest === undefined ? {} : { digest: digestOf(tagged.digest) }) })),
      manifests: list(plan.manifests).map(digestOf),
      history: list(plan.history).map(entry => ({ tag: tagOf(entry), digest: digestOf(entry.digest) })),
      layers: list(plan.layers).map(digestOf),
      candidates: list(plan.candidates).map(digestOf),
      ...plan.spared === undefined ? {} : { spared: sparedOf(plan.spared as Fields) }
    }
  }
}

type Fields = Record<string, unknown>

const sparedOf = ({ layers, manifests }: Fields): Kept['spared'] => ({ layers: list(layers).map(digestOf), manifests: list(manifests).map(digestOf) })

function list (value: unknown): Fields[] {
  if (!Array.isArray(value)) throw new Error('not a list')
  return value as Fields[]
}

function text (value: unknown): string {
  if (typeof value !== 'string') throw new Error('not a text')
  return value
}

function time (value: unknown): number {
  if (typeof value !== 'number') throw new Error('not a time')
  return value
}

function digestOf (value: unknown): Digest {
  const digest = parseDigest(text(value))
  if (digest === undefined) throw new Error('not a digest')
  return digest
}

function tagOf ({ tag }: Fields): Kept['tags'][number]['tag'] {
  const parsed = parseTag(text(tag))
  if (parsed === undefined) throw new Error('not a tag')
  return parsed
}
