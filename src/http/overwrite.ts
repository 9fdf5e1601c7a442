/**
 * Keeps protected tags what they are. A client that deletes a tag by pushing a dummy over it must fail, too:
 *
 *     client A  PUT manifests/v1: there is no v1 yet         → may go on
 *     client B  PUT manifests/v1, another manifest: the same → the second would overwrite the first
 *
 * So pushes to one protected tag take turns.
 *
 * Somebody who may not push there is told nothing of tags and rules: the registry refuses.
 */
import type { FastifyRequest } from 'fastify'
import type { Access, Caller } from '../access/access.js'
import { isProtected } from '../errors.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName, Tag } from '../oci/name.js'
import type { Protection } from '../protection/protection.js'
import { callerOf } from './caller.js'
import type { Decisions } from './decisions.js'
import { passageOf } from './passage.js'

/** Neither JSON nor anything else: 400 MANIFEST_INVALID, whatever type it is said to have. */
const NO_MANIFEST = Buffer.from('not a manifest')

export interface OverwriteParts {
  readonly protection: Pick<Protection, 'overwriting'>
  readonly access: Pick<Access, 'userOf'>
  readonly decisions: Pick<Decisions, 'refused'>
  /** Whether the registry lets a caller push into a repository. */
  readonly mayPush: (repository: RepositoryName, caller: Caller) => Promise<boolean>
  /** What a tag points to; `undefined` when there is none. */
  readonly current: (repository: RepositoryName, tag: Tag) => Promise<Digest | undefined>
}

export class Overwrites {
  readonly #turns = new Map<string, Promise<void>>()

  constructor (private readonly parts: OverwriteParts) {}

  /**
   * Waits for the tag's turn.
   * @returns what ends the turn; `undefined` when the tag is not protected
   * @throws CodedError 403 when the tag is another manifest's and the caller might push; 502 when the registry cannot be asked
   */
  async begin (request: FastifyRequest, repository: RepositoryName, tag: Tag, digest: Digest): Promise<(() => void) | undefined> {
    const { protection, access, decisions, current, mayPush } = this.parts
    const caller = callerOf(request)
    if (protection.overwriting(repository, tag, undefined) === undefined) return undefined
    const by = protection.overwriting(repository, tag, await access.userOf(repository, caller))
    if (by === undefined) return undefined
    const end = await this.#turn(`${repository}:${tag}`)
    try {
      const before = await current(repository, tag)
      if (before === undefined || before === digest) return end
      if (!await mayPush(repository, caller)) {
        leaveToRegistry(request)
        end()
        return undefined
      }
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

/**
 * The registry refuses whoever may not push before it reads what is pushed (distribution: registry/handlers/app.go, dispatcher). Should it
 * let this one in all the same, it gets what is no manifest, so that the tag stays what it is.
 */
function leaveToRegistry (request: FastifyRequest): void {
  const passage = passageOf(request)
  if (passage !== undefined) passage.changes = { ...passage.changes, body: NO_MANIFEST }
}
