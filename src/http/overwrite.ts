/**
 * Keeps protected tags what they are. A client that deletes a tag by pushing a dummy over it must fail, too:
 *
 *     client A  PUT manifests/v1: there is no v1 yet         → may go on
 *     client B  PUT manifests/v1, another manifest: the same → the second would overwrite the first
 *
 * So pushes to one protected tag take turns.
 */
import type { FastifyRequest } from 'fastify'
import type { Access } from '../access/access.js'
import { isProtected } from '../errors.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'
import type { Protection } from '../protection/protection.js'
import { callerOf } from './caller.js'
import type { Decisions } from './decisions.js'

export interface OverwriteParts {
  readonly protection: Pick<Protection, 'overwriting'>
  readonly access: Pick<Access, 'userOf'>
  readonly decisions: Pick<Decisions, 'refused'>
  /** What a tag points to; `undefined` when there is none. */
  readonly current: (repository: RepositoryName, tag: Tag) => Promise<Digest | undefined>
}

export class Overwrites {
  readonly #turns = new Map<string, Promise<void>>()

  constructor (private readonly parts: OverwriteParts) {}

  /**
   * Waits for the tag's turn.
   * @returns what ends the turn; `undefined` when the tag is not protected
   * @throws CodedError 403 when the tag is another manifest's
   */
  async begin (request: FastifyRequest, repository: RepositoryName, tag: Tag, digest: Digest): Promise<(() => void) | undefined> {
    const { protection, access, decisions, current } = this.parts
    if (protection.overwriting(repository, tag, undefined) === undefined) return undefined
    const by = protection.overwriting(repository, tag, await access.userOf(repository, callerOf(request)))
    if (by === undefined) return undefined
    const end = await this.#turn(`${repository}:${tag}`)
    try {
      const before = await current(repository, tag)
      if (before === undefined || before === digest) return end
      const refused = isProtected(by.rule, repository, tag)
      await decisions.refused(request, { action: 'overwrite', target: { type: 'tag', repository, tag } }, refused)
      throw refused
    } catch (error) {
      end()
      throw error
    }
  }

  async #turn (key: string): Promise<() => void> {
    const before = this.#turns.get(key)
    let end = (): void => {}
    const turn = new Promise<void>(resolve => { end = resolve })
    const queued = (before ?? Promise.resolve()).then(async () => { await turn })
    this.#turns.set(key, queued)
    void queued.then(() => { if (this.#turns.get(key) === queued) this.#turns.delete(key) })
    await before
    return end
  }
}
