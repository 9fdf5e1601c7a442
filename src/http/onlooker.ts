/** What somebody who looks may see, for one request: repositories are listed once, and asked about within bounds. */
import type { Access, Caller } from '../access/access.js'
import type { Deleter } from '../jobs/deleter.js'
import { repositoriesOf, type Job } from '../jobs/job.js'
import type { RepositoryName } from '../oci/name.js'

/** For one list, the registry is asked about so many repositories at most. */
export const ASKED_MAXIMUM = 1000

export interface OnlookerParts {
  readonly access: Pick<Access, 'sees' | 'seesAll' | 'isOpen'>
  readonly deleter: Pick<Deleter, 'repositories'>
}

export class Onlooker {
  readonly #asked = new Set<RepositoryName>()
  #all: Promise<boolean> | undefined

  /** @param maximum about so many repositories is asked; others are not seen */
  constructor (private readonly caller: Caller, private readonly parts: OnlookerParts, private readonly maximum = Infinity) {}

  /** What is about these repositories: whoever could delete in all of them. */
  async sees (repositories: readonly RepositoryName[]): Promise<boolean> {
    if (this.parts.access.isOpen) return true
    for (const repository of repositories) {
      if (!this.#asked.has(repository) && this.#asked.size >= this.maximum) return false
      this.#asked.add(repository)
      if (!await this.parts.access.sees([repository], this.caller)) return false
    }
    return true
  }

  /** What is about all repositories. */
  async seesAll (): Promise<boolean> {
    if (this.parts.access.isOpen) return true
    return await (this.#all ??= this.#seesAll())
  }

  /**
   * How much of a job. Of one that is about all repositories, whoever does not see those sees an outline, so that it is known
   * what the registry is busy with.
   */
  async seesOf (job: Job): Promise<'all' | 'outline' | 'nothing'> {
    if (this.parts.access.isOpen) return 'all'
    const repositories = repositoriesOf(job)
    if (!await this.sees(repositories)) return 'nothing'
    // What is collected may be anybody's, whichever repositories the job names by now.
    const isAboutAll = job.kind === 'collection' || repositories.length === 0
    return !isAboutAll || await this.seesAll() ? 'all' : 'outline'
  }

  async #seesAll (): Promise<boolean> {
    const names = await this.parts.deleter.repositories({ type: 'everything' })
    return await this.parts.access.seesAll(names, this.caller, { each: names.length <= this.maximum })
  }
}
