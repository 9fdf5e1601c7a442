/** Collects only where the registry's tree is what it was, and has ended when what it did is on the disk. */
import { publicReason } from '../errors.js'
import type { Anchor } from '../storage/anchor.js'
import type { TreeWriter } from '../storage/write.js'
import type { Collection, CollectionOutcome, Requester } from './request.js'

export class GuardedCollection implements Collection {
  constructor (private readonly inner: Collection, private readonly anchor: Pick<Anchor, 'check'>, private readonly writer: Pick<TreeWriter, 'flush'>) {}

  hurry (): void { this.inner.hurry() }

  async run (requester: Requester): Promise<CollectionOutcome> {
    try {
      await this.anchor.check()
      const outcome = await this.inner.run(requester)
      await this.writer.flush()
      return outcome
    } catch (error) {
      return { outcome: 'failed', reason: publicReason(error) }
    }
  }
}
