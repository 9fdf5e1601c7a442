/** Tells how collections go: how long each phase takes, and how it ends. */
import type { Collection, CollectionOutcome, CollectionPhase, Requester } from './request.js'

/** A port: whoever wants to know. */
export interface CollectionObserver {
  readonly phaseEnded: (phase: CollectionPhase, seconds: number) => void
  readonly collectionEnded: (outcome: CollectionOutcome['outcome']) => void
}

export class ObservedCollection implements Collection {
  constructor (private readonly inner: Collection, private readonly observer: CollectionObserver) {}

  hurry (): void { this.inner.hurry() }

  async run (requester: Requester): Promise<CollectionOutcome> {
    let current: { readonly phase: CollectionPhase, readonly since: number } | undefined
    const end = (): void => {
      if (current !== undefined) this.observer.phaseEnded(current.phase, (performance.now() - current.since) / 1000)
    }
    const onPhase = (phase: CollectionPhase): void => {
      end()
      current = { phase, since: performance.now() }
      requester.onPhase(phase)
    }
    const outcome = await this.inner.run({ ...requester, onPhase })
    end()
    this.observer.collectionEnded(outcome.outcome)
    return outcome
  }
}
