/** What is told of a collection: its phases, one after the other, and how it ended. */
import t from 'tap'
import { ObservedCollection } from '../../src/collection/observed.js'
import type { CollectionOutcome, CollectionPhase } from '../../src/collection/request.js'

const collected: CollectionOutcome = { outcome: 'collected', receipts: new Map(), unfinished: new Set() }

async function observe (phases: readonly CollectionPhase[], outcome: CollectionOutcome): Promise<{ told: string[], passedOn: CollectionPhase[], outcome: CollectionOutcome }> {
  const told: string[] = []
  const passedOn: CollectionPhase[] = []
  const inner = { hurry: () => {}, run: async ({ onPhase }: { onPhase: (phase: CollectionPhase) => void }) => { phases.forEach(onPhase); return outcome } }
  const collection = new ObservedCollection(inner, {
    phaseEnded: (phase, seconds) => { told.push(seconds >= 0 && seconds < 60 ? phase : `${phase}: ${seconds} s`) },
    collectionEnded: outcome => { told.push(outcome) }
  })
  const ended = await collection.run({ requests: [], onPhase: phase => { passedOn.push(phase) }, join: async () => [] })
  return { told, passedOn, outcome: ended }
}

t.test('each phase ends when the next one begins, the last one with the collection', async t => {
  const { told, passedOn, outcome } = await observe(['scan', 'drain', 'collect', 'restart'], collected)
  t.same(told, ['scan', 'drain', 'collect', 'restart', 'collected'])
  t.same(passedOn, ['scan', 'drain', 'collect', 'restart'], 'whoever asked for it is told as before')
  t.equal(outcome, collected)
})

t.test('one that was put off had no phase', async t => {
  t.same((await observe([], { outcome: 'postponed', reason: 'not now' })).told, ['postponed'])
  t.same((await observe(['scan'], { outcome: 'failed', reason: 'damage' })).told, ['scan', 'failed'])
})
