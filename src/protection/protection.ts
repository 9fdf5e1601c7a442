/** Which repositories and tags may not be deleted or overwritten, and for whom. Pure. */
import type { Plan } from '../deletion/plan.js'
import { parseGlobs } from '../oci/glob.js'
import type { RepositoryName, Tag } from '../oci/name.js'

/** One rule, as it is configured. */
export interface RuleSettings {
  /** What refusals call it. */
  readonly name: string
  /** Globs: `*` within a segment of a name, `**` across segments. */
  readonly repositories: readonly string[]
  /** Globs; without them the whole repository is protected, with everything in it. */
  readonly tags?: readonly string[]
  /** Users for whom the rule does not hold. */
  readonly users: readonly string[]
  /** Whether an existing tag may be pushed anew. */
  readonly overwrite: boolean
}

/** What stands in the way. */
export interface Protected {
  readonly rule: string
  readonly repository: RepositoryName
  /** `undefined` where the whole repository is protected. */
  readonly tag?: Tag
}

interface Rule {
  readonly settings: RuleSettings
  readonly matchesRepository: (name: string) => boolean
  /** `undefined`: everything. */
  readonly matchesTag: ((tag: string) => boolean) | undefined
}

export class Protection {
  readonly #rules: readonly Rule[]

  constructor (rules: readonly RuleSettings[]) {
    this.#rules = rules.map(settings => ({
      settings,
      matchesRepository: parseGlobs(settings.repositories),
      matchesTag: settings.tags === undefined ? undefined : parseGlobs(settings.tags)
    }))
  }

  /** Whether any rule could be about a repository: if not, it need not be found out who asks. */
  concerns (repository: RepositoryName): boolean {
    return this.#rules.some(rule => rule.matchesRepository(repository))
  }

  /**
   * What a deletion may not remove.
   * @param user who deletes, as far as that was verified
   */
  deleting ({ repository, tags }: Pick<Plan, 'repository' | 'tags'>, user: string | undefined): Protected | undefined {
    for (const { settings, matchesTag } of this.#inForce(repository, user)) {
      if (matchesTag === undefined) return { rule: settings.name, repository }
      const tag = tags.find(({ tag }) => matchesTag(tag))?.tag
      if (tag !== undefined) return { rule: settings.name, repository, tag }
    }
    return undefined
  }

  /** Whether an existing tag must stay what it is. */
  overwriting (repository: RepositoryName, tag: Tag, user: string | undefined): Protected | undefined {
    const rule = this.#inForce(repository, user).find(({ settings, matchesTag }) => !settings.overwrite && (matchesTag === undefined || matchesTag(tag)))
    return rule === undefined ? undefined : { rule: rule.settings.name, repository, tag }
  }

  #inForce (repository: RepositoryName, user: string | undefined): Rule[] {
    return this.#rules.filter(rule => rule.matchesRepository(repository) && (user === undefined || !rule.settings.users.includes(user)))
  }
}
