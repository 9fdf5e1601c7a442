/** Repositories and tags, page by page: however many there are, one page is in memory. */
import type { Repository, RepositoryPage, Tag, TagPage } from '../interface/catalog.js'
import { CATALOG_SCOPE, deleteScope } from '../interface/challenge.js'
import { Refusal, type Client } from './client.js'
import { nearest } from '../config/nearest.js'
import { EXIT, Failure, didYouMean } from './failure.js'

/** How many at first, so that something is seen soon; and then, as many as a gate gives. */
const FIRST_PAGE = 100
const PAGE = 1000

export interface RepositoryFilter {
  readonly prefix?: string | undefined
  readonly match?: string | undefined
  readonly sort?: 'name' | 'bytes' | undefined
}

export interface Listed<T> {
  readonly items: readonly T[]
  /** Whether the gate knows all yet: otherwise the numbers are too small. */
  readonly complete: boolean
}

export class Catalog {
  constructor (private readonly client: Client) {}

  /** The repositories in which the user could delete; where rights come as tokens, also whoever may see the registry's catalog. */
  async * repositories ({ prefix, match, sort }: RepositoryFilter, atFirst = FIRST_PAGE): AsyncGenerator<Listed<Repository>> {
    let last: string | undefined
    do {
      const query = queryOf({ n: last === undefined ? atFirst : PAGE, last, prefix, match, sort })
      const page = await this.client.json<RepositoryPage>('GET', `/delgate/v1/repositories${query}`, { scopes: [CATALOG_SCOPE] }).catch((error: unknown) => { throw tooOld(error) })
      yield { items: page.repositories, complete: page.complete }
      last = page.next
    } while (last !== undefined)
  }

  /** The tags of a repository. @throws Failure that suggests another name when there is no such repository */
  async * tags (repository: string, match?: string, atFirst = FIRST_PAGE): AsyncGenerator<Listed<Tag>> {
    const scopes = [deleteScope(repository)]
    let last: string | undefined
    do {
      const query = queryOf({ n: last === undefined ? atFirst : PAGE, last, match })
      const page = await this.client.json<TagPage>('GET', `/delgate/v1/repositories/${repository}/tags${query}`, { scopes }).catch(async (error: unknown) => { throw await this.withSuggestion(error, repository) })
      yield { items: page.tags, complete: page.complete }
      last = page.next
    } while (last !== undefined)
  }

  /** Adds to a 404 the name that was probably meant; other errors stay as they are. */
  async withSuggestion (error: unknown, repository: string, tag?: string): Promise<unknown> {
    if (!(error instanceof Refusal) || error.status !== 404) return error
    if (error.code === 'UNSUPPORTED') return tooOld(error)
    try {
      if (tag !== undefined && await this.#exists(repository)) {
        const tags = await first(this.tags(repository, undefined, PAGE))
        return new Failure(EXIT.unknown, `there is no tag ${tag} in ${repository}${didYouMean(nearest(tag, tags.map(one => one.tag)))}`)
      }
      const names = (await first(this.repositories({}, PAGE))).map(({ name }) => name)
      return new Failure(EXIT.unknown, `there is no repository ${repository}, or none that you may delete in${didYouMean(nearest(repository, names))}`)
    } catch { // A suggestion is not worth an error of its own.
      return new Failure(EXIT.unknown, tag === undefined ? `there is no repository ${repository}` : `there is no ${repository}:${tag}`)
    }
  }

  async #exists (repository: string): Promise<boolean> {
    return (await this.client.ask('GET', `/delgate/v1/repositories/${repository}`, { scopes: [deleteScope(repository)] })).status === 200
  }
}

/** A gate of an earlier release does not know the catalog. */
function tooOld (error: unknown): unknown {
  if (!(error instanceof Refusal) || error.status !== 404 || error.code !== 'UNSUPPORTED') return error
  return new Failure(EXIT.failed, 'this gate does not know such requests: it is older than this client, update it')
}

/** The first page of a list. */
async function first<T> (pages: AsyncGenerator<Listed<T>>): Promise<readonly T[]> {
  const page = await pages.next()
  return page.done === true ? [] : page.value.items
}

function queryOf (parameters: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string | number] => entry[1] !== undefined && entry[1] !== '')
  return given.length === 0 ? '' : `?${new URLSearchParams(given.map(([key, value]): [string, string] => [key, String(value)])).toString()}`
}
