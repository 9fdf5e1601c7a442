/** Collects only where the registry's tree is what it was. */
import { publicReason } from '../errors.js'
import type { Anchor } from '../storage/anchor.js'
import type { Collection, CollectionOutcome, Requester } from './request.js'

export class GuardedCollection implements Collection {
  constructor (private readonly inner: Collection, private readonly anchor: Pick<Anchor, 'check'>) {}

  hurry (): void { this.inner.hurry() }

  async run (requester: Requester): Promise<CollectionOutcome> {
    try {
      await this.anchor.check()
    } catch (error) {
      return { outcome: 'failed', reason: publicReason(error) }
    }
    return await this.inner.run(requester)
  }
}
