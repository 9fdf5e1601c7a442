/** The rules of `retention.rules`: which tags each is about, and what it says of them. Pure. */
import { parseGlobs } from '../oci/glob.js'
import type { RepositoryName } from '../oci/name.js'

/** One rule, as it is configured. */
export interface RuleSettings {
  /** What plans and receipts call it. */
  readonly name: string
  /** Globs of repositories. */
  readonly repositories: readonly string[]
  /** Globs of the tags that it is about. */
  readonly tags: readonly string[]
  /** So many of its tags stay, those that were pushed last. */
  readonly keepNewest?: number
  /** Globs of tags that stay. */
  readonly keepTags?: readonly string[]
  /** Its tags go that were pushed longer ago. Days. */
  readonly deleteOlderThanDays?: number
  /** Its tags go that were last pulled, or pushed, longer ago. Days. With both, both must hold. */
  readonly deleteNotPulledForDays?: number
  /** In its repositories manifests go that no tag reaches and that were last pushed, or pulled, longer ago. Days. */
  readonly deleteUntaggedAfterDays?: number
}

export interface Rule {
  readonly settings: RuleSettings
  readonly matchesRepository: (name: string) => boolean
  readonly matchesTag: (tag: string) => boolean
  readonly keepsTag: (tag: string) => boolean
}

export const compileRule = (settings: RuleSettings): Rule => ({
  settings,
  matchesRepository: parseGlobs(settings.repositories),
  matchesTag: parseGlobs(settings.tags),
  keepsTag: parseGlobs(settings.keepTags ?? [])
})

/** The rules that are about a repository, in their order. */
export const rulesFor = (rules: readonly Rule[], repository: RepositoryName): Rule[] => rules.filter(rule => rule.matchesRepository(repository))
