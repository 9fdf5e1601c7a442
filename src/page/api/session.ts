/**
 * Who uses the page. Credentials are kept in memory only, and go out as `Authorization`; the browser's own are left
 * out of every request, so that it neither sends what it remembers nor opens a window of its own.
 */
import type { Challenge } from './challenge.js'
import { NoToken, fetchToken, isReachable } from './token.js'

type Bearer = Extract<Challenge, { scheme: 'bearer' }>

const scopeOf = (repository: string): string => `repository:${repository}:pull,delete`

/** A login that the page waits for. */
export interface Wanted {
  readonly challenge: Challenge
  /** Whether there was one, which is not accepted any more. */
  readonly expired: boolean
}

export interface SessionState {
  readonly user: string | undefined
  readonly wanted: Wanted | undefined
}

/** What came of a login: nothing to say, or what is wrong with it. */
export type Check = (authorization: string | undefined) => Promise<string | undefined>

export class Session {
  #state: SessionState = { user: undefined, wanted: undefined }
  #authorization: string | undefined
  /** With tokens: what they are asked with, of whom, and for what. */
  #basic: string | undefined
  #bearer: Bearer | undefined
  #scopes = new Set<string>()
  #waiting: { readonly done: Promise<void>, readonly resolve: () => void } | undefined
  #renewing: Promise<boolean> | undefined
  readonly #listeners = new Set<(state: SessionState) => void>()

  /** @param check asks Delgate whether it accepts credentials */
  constructor (private readonly check: Check) {}

  get state (): SessionState { return this.#state }
  get authorization (): string | undefined { return this.#authorization }

  subscribe (listener: (state: SessionState) => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /**
   * A request was not let in. Waits for a login where that helps.
   * @param used what the request was sent with
   * @returns whether to send it again
   */
  async refused (challenge: Challenge, used: string | undefined): Promise<boolean> {
    if (used !== this.#authorization) return true
    if (this.#waiting !== undefined) {
      await this.#waiting.done
      return true
    }
    return await (this.#renewing ??= this.#renew(challenge, used).finally(() => { this.#renewing = undefined }))
  }

  /**
   * Somebody looks at a repository: with tokens, they must be for this one, too. Where they are not given, what is asked
   * next says so.
   */
  async about (repository: string): Promise<void> {
    const scope = scopeOf(repository)
    if (this.#scopes.has(scope)) return
    if (this.#bearer === undefined || this.#basic === undefined) this.#scopes.add(scope)
    else await this.#token(this.#bearer, this.#basic, [scope])
  }

  async #renew (challenge: Challenge, used: string | undefined): Promise<boolean> {
    if (challenge.scheme === 'bearer' && this.#basic !== undefined && await this.#token(challenge, this.#basic, challenge.scopes) === undefined) return true
    // Whoever is let in otherwise is the right one, and may not do this.
    if (challenge.scheme !== 'bearer' && used !== undefined && await this.check(used) === undefined) return false
    let resolve = (): void => {}
    const done = new Promise<void>(_resolve => { resolve = _resolve })
    this.#waiting = { done, resolve }
    this.#set({ ...this.#state, wanted: { challenge, expired: used !== undefined } })
    await done
    return true
  }

  /**
   * Somebody logs in.
   * @param repositories with tokens: those to ask for
   * @returns what is wrong; nothing when all that waits goes on
   */
  async login (user: string, password: string, repositories: readonly string[]): Promise<string | undefined> {
    const { wanted } = this.#state
    if (wanted === undefined) return undefined
    const basic = `Basic ${encode(`${user}:${password}`)}`
    const scopes = repositories.map(scopeOf)
    const { challenge } = wanted
    const wrong = challenge.scheme === 'bearer' ? await this.#token(challenge, basic, [...challenge.scopes, ...scopes]) : await this.#accept(basic)
    if (wrong !== undefined) return wrong
    this.#basic = basic
    this.#set({ user, wanted: undefined })
    this.#waiting?.resolve()
    this.#waiting = undefined
    return undefined
  }

  async #token (challenge: Bearer, basic: string, scopes: readonly string[]): Promise<string | undefined> {
    if (!isReachable(challenge)) return 'This registry gives out tokens at another address, which this page may not ask. Use the command line.'
    const all = new Set([...this.#scopes, ...scopes])
    try {
      const wrong = await this.#accept(`Bearer ${await fetchToken(challenge, [...all], basic)}`)
      if (wrong !== undefined) return wrong
      this.#scopes = all
      this.#bearer = challenge
      return undefined
    } catch (error) {
      return error instanceof NoToken ? error.message : 'The registry’s token service cannot be reached from here. Use the command line.'
    }
  }

  async #accept (authorization: string): Promise<string | undefined> {
    const wrong = await this.check(authorization)
    if (wrong === undefined) this.#authorization = authorization
    return wrong
  }

  #set (state: SessionState): void {
    this.#state = state
    this.#listeners.forEach(listener => { listener(state) })
  }
}

/** Base64 of UTF-8, as RFC 7617 has it. */
function encode (text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}
