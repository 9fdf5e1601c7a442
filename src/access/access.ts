/**
 * Who may delete, and who may use Delgate's own interface. Up to three ways, all of which must agree: the registry is
 * asked with the caller's credentials, a file of users of Delgate's own, nothing at all.
 */
import { CodedError, unauthorized } from '../errors.js'
import type { RepositoryName } from '../oci/name.js'
import { lacksScope, type Answer, type RegistryClient } from '../registry/client.js'
import { Callers } from './callers.js'
import type { Failures } from './failures.js'
import type { Htpasswd } from './htpasswd.js'
import { claimedUser } from './user.js'

/** Whoever makes a request. */
export interface Caller {
  readonly authorization?: string | undefined
  /** Where the request comes from, as far as the proxies on the way are trusted. */
  readonly address: string
  /** What the registry is told of the request's trace when it is asked. */
  readonly traceparent?: string | undefined
}

export type Verdict =
  /** `user`: who the caller is, where somebody has verified it. */
  | { readonly outcome: 'allowed', readonly user?: string | undefined }
  /** To be answered as it is, with its challenge. */
  | { readonly outcome: 'refused', readonly answer: Answer }
  /** Nobody may delete there. */
  | { readonly outcome: 'unsupported', readonly reason: string }

export interface AccessParts {
  readonly registry: Pick<RegistryClient, 'check' | 'mayDelete' | 'mayList'>
  /** Whether the registry decides, with the caller's credentials. Otherwise it is only asked whether deleting is possible. */
  readonly registryDecides: boolean
  readonly htpasswd: Htpasswd | undefined
  /** Whether the registry asks for credentials; `undefined` when its configuration could not be read. */
  readonly registryChallenges: boolean | undefined
  /** Whether the registry may let somebody delete in one repository and not in another, as with tokens. */
  readonly perRepository: boolean
  readonly failures: Failures
}

/** How long it counts, for looking at jobs, that a caller could delete somewhere. Milliseconds. */
const SEEN_MS = 10_000
/** How long it counts while the registry cannot be asked, milliseconds. */
const REMEMBERED_MS = 600_000
const SEEN_MAXIMUM = 10_000

export class Access {
  readonly #callers: Callers
  readonly #seen = new Map<string, { readonly may: boolean, readonly at: number }>()
  #challenges: boolean | undefined

  constructor (private readonly parts: AccessParts) {
    this.#callers = new Callers(parts.registry, parts.registryChallenges === false)
    this.#challenges = parts.registryChallenges
  }

  /**
   * Whether a caller may delete in a repository.
   * @throws CodedError 429 after too many wrong credentials; 502 or 503 when the registry cannot be asked
   */
  async delete (repository: RepositoryName, caller: Caller): Promise<Verdict> {
    const verdict = await this.#delete(repository, caller)
    this.#remember(this.#keyOf(repository, caller), verdict.outcome !== 'refused')
    return verdict
  }

  async #delete (repository: RepositoryName, caller: Caller): Promise<Verdict> {
    const own = await this.#own(caller)
    if (own.outcome !== 'allowed') return own
    const permission = await this.parts.registry.mayDelete(repository, caller)
    if (permission.outcome === 'unsupported') return permission
    if (permission.outcome === 'refused' && this.parts.registryDecides) return this.#refused(caller, permission.answer)
    if (own.user !== undefined) return own
    return { outcome: 'allowed', user: this.parts.registryDecides ? await this.#verified(repository, caller) : undefined }
  }

  /** Who a caller is, where that can be verified. */
  async userOf (repository: RepositoryName, caller: Caller): Promise<string | undefined> {
    if (claimedUser(caller.authorization) === undefined) return undefined
    const verdict = await this.delete(repository, caller)
    return verdict.outcome === 'allowed' ? verdict.user : undefined
  }

  /** Whether a caller may use Delgate's own interface at all. */
  async enter (caller: Caller): Promise<Exclude<Verdict, { outcome: 'unsupported' }>> {
    const own = await this.#own(caller)
    if (own.outcome !== 'allowed' || !this.parts.registryDecides) return own
    const answer = await this.#callers.refusal(caller.authorization)
    return answer === undefined ? own : this.#refused(caller, answer)
  }

  /** Whether a caller may see what happened in these repositories: whoever could delete in all of them. */
  async sees (repositories: readonly RepositoryName[], caller: Caller): Promise<boolean> {
    if (this.isOpen) return true
    for (const repository of repositories) if (!await this.#seesOne(repository, caller)) return false
    return true
  }

  /**
   * The same for all repositories. Where the registry decides for each one, whoever it would show its catalog to sees them
   * too: a token names the repositories that it is for, and cannot name those that its owner does not know yet.
   * @param options.each whether the registry is asked about each one where it must be; otherwise the answer is no then
   */
  async seesAll (repositories: readonly RepositoryName[], caller: Caller, { each = true } = {}): Promise<boolean> {
    if (this.isOpen) return true
    if (!this.parts.registryDecides || !this.parts.perRepository) return await this.sees(repositories.slice(0, 1), caller)
    // No repository has such a name.
    if (await this.#isRemembered(this.#callers.keyOf(`_catalog ${caller.authorization ?? ''}`), async () => await this.parts.registry.mayList(caller))) return true
    return each && await this.sees(repositories, caller)
  }

  /** Whether anybody who reaches the port may delete. */
  get isOpen (): boolean {
    const { htpasswd, registryDecides, registryChallenges } = this.parts
    return htpasswd === undefined && (!registryDecides || registryChallenges === false)
  }

  async #seesOne (repository: RepositoryName, caller: Caller): Promise<boolean> {
    return await this.#isRemembered(this.#keyOf(repository, caller), async () => (await this.delete(repository, caller)).outcome !== 'refused')
  }

  /** While the registry is being restarted it cannot be asked; then what it said last counts a while longer. */
  async #isRemembered (key: string, ask: () => Promise<boolean>): Promise<boolean> {
    const known = this.#seen.get(key)
    const age = Date.now() - (known?.at ?? -Infinity)
    if (known !== undefined && age < SEEN_MS) return known.may
    try {
      const may = await ask()
      this.#remember(key, may)
      return may
    } catch (error) {
      if (known !== undefined && age < REMEMBERED_MS) return known.may
      throw error
    }
  }

  #remember (key: string, may: boolean): void {
    if (this.#seen.size >= SEEN_MAXIMUM) this.#seen.delete(this.#seen.keys().next().value!)
    this.#seen.set(key, { may, at: Date.now() })
  }

  /** Where the registry says the same of all repositories, one answer is that of all. */
  #keyOf (repository: RepositoryName, { authorization = '' }: Caller): string {
    return this.#callers.keyOf(`${this.parts.registryDecides && this.parts.perRepository ? repository : ''} ${authorization}`)
  }

  /** What Delgate's own users say. */
  async #own (caller: Caller): Promise<Exclude<Verdict, { outcome: 'unsupported' }>> {
    const { htpasswd, failures } = this.parts
    const { authorization, address } = caller
    if (authorization !== undefined) this.#mustNotWait(address)
    if (htpasswd === undefined) return { outcome: 'allowed' }
    const count = (): (() => void) => {
      this.#mustNotWait(address)
      return failures.count(address)
    }
    const user = await htpasswd.verify({ authorization, address, count })
    return user === undefined ? { outcome: 'refused', answer: unauthorizedAnswer() } : { outcome: 'allowed', user }
  }

  #mustNotWait (address: string): void {
    const wait = this.parts.failures.waitSeconds(address)
    if (wait > 0) throw new CodedError(429, 'TOOMANYREQUESTS', `too many wrong credentials from ${address}; try again later`, undefined, { 'retry-after': String(wait) })
  }

  /** What the registry refused. */
  #refused (caller: Caller, answer: Answer): Verdict & { outcome: 'refused' } {
    if (answer.status === 401 && caller.authorization !== undefined && !lacksScope(answer)) this.parts.failures.count(caller.address)
    return { outcome: 'refused', answer }
  }

  /** Who a caller is that the registry let delete: known only where it does not let strangers do the same. */
  async #verified (repository: RepositoryName, caller: Caller): Promise<string | undefined> {
    const user = claimedUser(caller.authorization)
    if (user === undefined) return undefined
    this.#challenges ??= (await this.parts.registry.mayDelete(repository, {})).outcome === 'refused'
    return this.#challenges ? user : undefined
  }
}

function unauthorizedAnswer (): Answer {
  return {
    status: 401,
    headers: { 'www-authenticate': 'Basic realm="Delgate", charset="UTF-8"', 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify(unauthorized())
  }
}
