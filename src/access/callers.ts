/**
 * Who may use Delgate's own interface: whoever the registry lets in at `GET /v2/`. While the registry is being
 * restarted it cannot be asked; then those are let in that it let in a short time ago.
 */
import { createHash, randomBytes } from 'node:crypto'
import { unavailable } from '../errors.js'
import { isRegistry, type Answer, type RegistryClient } from '../registry/client.js'

/** How long the registry's last word counts while it cannot be asked, milliseconds. */
const REMEMBER_MS = 600_000
/** Callers that are remembered at most. */
const REMEMBERED_MAXIMUM = 1000

export class Callers {
  /** Credentials are only kept as a keyed hash. */
  readonly #key = randomBytes(32)
  readonly #letIn = new Map<string, number>()

  /** @param open the registry is known to let everybody in */
  constructor (private readonly registry: Pick<RegistryClient, 'check'>, private readonly open: boolean) {}

  /** Stands for a secret in a table. */
  keyOf (secret: string): string { return createHash('sha256').update(this.#key).update(secret).digest('base64') }

  /**
   * @returns the registry's refusal, or `undefined` when the caller is let in
   * @throws CodedError 503 when the registry cannot be asked, and has not let this caller in lately
   */
  async refusal (authorization: string | undefined): Promise<Answer | undefined> {
    if (this.open) return undefined
    const caller = this.keyOf(authorization ?? '')
    const answer = await this.registry.check(authorization === undefined ? {} : { authorization }).catch(() => undefined)
    // What is neither the registry's yes nor its no is not the registry's: a proxy speaks while it is away.
    if (answer === undefined || !(isRegistry(answer) || answer.status === 403)) {
      if (Date.now() - (this.#letIn.get(caller) ?? -Infinity) < REMEMBER_MS) return undefined
      throw unavailable('the registry does not answer, so it cannot say who you are; try again')
    }
    this.#letIn.delete(caller)
    if (answer.status !== 200) return answer
    if (this.#letIn.size >= REMEMBERED_MAXIMUM) this.#letIn.delete(this.#letIn.keys().next().value!)
    this.#letIn.set(caller, Date.now())
    return undefined
  }
}
