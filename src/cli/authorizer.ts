/**
 * What goes into `Authorization`: nothing until the gate asks, then what it asks for. Basic, or tokens from the realm that
 * a Bearer challenge names (distribution.github.io/distribution/spec/auth/token, and /oauth for identity tokens).
 */
import { scopesOf, type Challenge } from '../interface/challenge.js'
import type { Credentials } from './docker-config.js'
import { EXIT, Failure } from './failure.js'

/** One request to a token service. */
export interface TokenRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export interface AuthorizerParts {
  /** The gate's host, for messages. */
  readonly host: string
  /** Who the user is; asked at most once, and only when the gate asks. */
  readonly credentials: () => Promise<Credentials | undefined>
  /** Sends one request, whatever comes back. @throws Failure when nobody answers */
  readonly send: (request: TokenRequest) => Promise<{ readonly status: number, readonly text: string }>
}

const CLIENT = 'delgate'

export class Authorizer {
  #credentials: Promise<Credentials | undefined> | undefined
  #challenge: Challenge | undefined
  readonly #tokens = new Map<string, Promise<string>>()
  /** Tokens that were got anew because the gate did not take the one before. */
  readonly #renewed = new Set<string>()

  constructor (private readonly parts: AuthorizerParts) {}

  /** Whether rights come as tokens, which must be asked for by the names of repositories. */
  get usesTokens (): boolean { return this.#challenge?.scheme === 'bearer' }

  /** What to send for a request that needs these scopes; `undefined` as long as the gate has not asked. */
  async header (scopes: ReadonlySet<string>): Promise<string | undefined> {
    if (this.#challenge === undefined) return undefined
    if (!this.usesTokens) return basic(await this.#own())
    const key = keyOf(scopes)
    const token = this.#tokens.get(key) ?? this.#fetch(scopes)
    this.#tokens.set(key, token)
    return `Bearer ${await token}`
  }

  /**
   * Takes in why a request was refused.
   * @param scopes what the request needs as far as that is known; what the challenge names is added
   * @param sent what was sent with it
   * @returns whether it is worth to make the request again
   * @throws Failure when credentials are needed and there are none
   */
  async learn (challenges: readonly Challenge[], scopes: Set<string>, sent: string | undefined): Promise<boolean> {
    const challenge = challenges.find(({ scheme }) => scheme === 'bearer') ?? challenges.find(({ scheme }) => scheme === 'basic')
    if (challenge === undefined) return false
    const known = scopes.size
    for (const scope of scopesOf(challenge)) scopes.add(scope)
    this.#challenge = challenge
    if (challenge.scheme === 'basic' && await this.#own() === undefined) throw this.#nobody()
    if (sent === undefined || (challenge.scheme === 'bearer' && scopes.size > known)) return true
    return challenge.scheme === 'bearer' && this.#renew(keyOf(scopes))
  }

  /** Who the user is, for messages; `undefined` for nobody. */
  async user (): Promise<string | undefined> {
    const own = await this.#own()
    return own?.kind === 'password' ? own.user : own === undefined ? undefined : 'the owner of the identity token'
  }

  /** A token may have run out during a long command; a second refusal counts. */
  #renew (key: string): boolean {
    if (this.#renewed.has(key)) return false
    this.#renewed.add(key)
    return this.#tokens.delete(key)
  }

  async #own (): Promise<Credentials | undefined> { return await (this.#credentials ??= this.parts.credentials()) }

  #nobody (): Failure { return new Failure(EXIT.refused, `${this.parts.host} asks who you are: docker login ${this.parts.host}, or --user NAME`) }

  async #fetch (scopes: ReadonlySet<string>): Promise<string> {
    const { realm, service } = this.#challenge!.parameters
    if (realm === undefined || !/^https?:\/\//.test(realm) || !URL.canParse(realm)) throw new Failure(EXIT.failed, `${this.parts.host} asks for a token, but does not say where to get one`)
    const own = await this.#own()
    const { status, text } = await this.parts.send(own?.kind === 'identity-token' ? refresh(realm, service, scopes, own.token) : request(realm, service, scopes, own))
    if (status === 401 || status === 403) throw own === undefined ? this.#nobody() : new Failure(EXIT.refused, `the token service ${new URL(realm).host} does not know ${await this.user()} with that password; docker login ${this.parts.host} again, or --user NAME`)
    const token = status === 200 ? tokenOf(text) : undefined
    if (token === undefined) throw new Failure(EXIT.failed, `the token service ${new URL(realm).host} gave no token (status ${status})`)
    return token
  }
}

const keyOf = (scopes: ReadonlySet<string>): string => [...scopes].sort().join(' ')

function basic (own: Credentials | undefined): string | undefined {
  if (own === undefined) return undefined
  // Registries know names and passwords only; an identity token stands in for the password there.
  return own.kind === 'password' ? `Basic ${encode(`${own.user}:${own.password}`)}` : `Basic ${encode(`<token>:${own.token}`)}`
}

const encode = (text: string): string => Buffer.from(text).toString('base64')

function request (realm: string, service: string | undefined, scopes: ReadonlySet<string>, own: Extract<Credentials, { kind: 'password' }> | undefined): TokenRequest {
  const url = new URL(realm)
  if (service !== undefined) url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  if (own !== undefined) url.searchParams.set('account', own.user)
  url.searchParams.set('client_id', CLIENT)
  return { method: 'GET', url: url.href, headers: own === undefined ? {} : { authorization: basic(own)! } }
}

function refresh (realm: string, service: string | undefined, scopes: ReadonlySet<string>, token: string): TokenRequest {
  const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: CLIENT, refresh_token: token, scope: [...scopes].join(' ') })
  if (service !== undefined) form.set('service', service)
  return { method: 'POST', url: realm, headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: form.toString() }
}

function tokenOf (text: string): string | undefined {
  try {
    const { token, access_token: access } = JSON.parse(text) as { token?: unknown, access_token?: unknown }
    const found = token ?? access
    return typeof found === 'string' && found !== '' ? found : undefined
  } catch {
    return undefined
  }
}
