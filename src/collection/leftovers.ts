/** Finishes what interrupted runs, or pushes that were running at the time, left of the plans of deletions. */
import { decideCurrently, type States } from '../deletion/current.js'
import { execute } from '../deletion/execute.js'
import type { Plan, PlanOptions, PlanOptionsFor } from '../deletion/plan.js'
import { addToReceipt, type Receipt } from '../deletion/receipt.js'
import { planLeftovers, planRest } from '../deletion/resume.js'
import type { RepositoryName } from '../oci/name.js'
import type { RepositoryState } from '../storage/state.js'
import type { TreeWriter } from '../storage/write.js'
import type { Reads } from '../traffic/reads.js'
import type { Tombstones } from '../traffic/tombstones.js'
import type { Keeper } from '../trash/trash.js'
import type { CollectionRequest } from './request.js'

/** A repository's turn: nobody deletes there, and no manifest is written, until it ends. */
export interface Turn {
  /** Whether nobody writes in the repository at all: then directories that others share may go. */
  readonly quiet: boolean
  end (): void
}

export interface LeftoverParts {
  /** Takes a repository's turn. */
  readonly turn: (repository: RepositoryName) => Promise<Turn>
  readonly states: States
  readonly writer: TreeWriter
  readonly tombstones: Tombstones
  readonly reads: Reads
  readonly planOptions: PlanOptionsFor
  readonly trash: Keeper
}

/**
 * Unlinks it. Each repository is read once, however many deletions were in it.
 * @param receipts gain what was removed
 * @returns jobs of which a running push still holds something
 */
export async function finishPlans (requests: readonly CollectionRequest[], receipts: Map<string, Receipt>, parts: LeftoverParts): Promise<Set<string>> {
  const unfinished = new Set<string>()
  for (const name of new Set(requests.flatMap(request => request.plans.map(plan => plan.repository)))) {
    const turn = await parts.turn(name)
    try {
      await finishIn(name, requests, { ...parts, quiet: turn.quiet }, { receipts, unfinished })
    } finally {
      turn.end()
    }
  }
  return unfinished
}

type InTurn = Omit<LeftoverParts, 'turn'> & { readonly quiet: boolean }

async function finishIn (name: RepositoryName, requests: readonly CollectionRequest[], parts: InTurn, { receipts, unfinished }: { receipts: Map<string, Receipt>, unfinished: Set<string> }): Promise<void> {
  let state = await parts.states.repository(name)
  for (const request of requests) {
    for (const plan of request.plans.filter(plan => plan.repository === name)) {
      const removed = await finishPlan(request, plan, state, parts)
      if (removed !== undefined) {
        receipts.set(request.id, addToReceipt(receipts.get(request.id)!, removed))
        state = await parts.states.repository(name)
      }
      if (isHeldOpen(state, plan, parts.planOptions(name))) unfinished.add(request.id)
    }
  }
}

/** Whether running pushes still hold something of everything that earlier collections had to leave; asked before anybody is held for it. */
export async function isBlocked (requests: readonly CollectionRequest[], { states, planOptions }: Pick<LeftoverParts, 'states' | 'planOptions'>): Promise<boolean> {
  const isHeld = async (plan: Plan): Promise<boolean> => {
    const options = planOptions(plan.repository)
    return isHeldOpen(await states.repository(plan.repository), plan, options) || plan.candidates.some(digest => options.leased(digest))
  }
  for (const { plans } of requests) {
    let isOneHeld = false
    for (const plan of plans) isOneHeld ||= await isHeld(plan)
    // A job must not wait for what holds another one up.
    if (!isOneHeld) return false
  }
  return true
}

async function finishPlan (request: CollectionRequest, plan: Plan, state: RepositoryState, { states, writer, tombstones, planOptions, quiet, reads, trash }: InTurn): Promise<Receipt | undefined> {
  if (!state.exists) return undefined
  const { repository } = plan
  const isNothing = (rest: Plan): boolean => rest.tags.length + rest.manifests.length + rest.layers.length === 0 && !rest.empties
  const rest = await decideCurrently(states, {
    repository,
    state,
    decide: state => (request.unlinked ? planLeftovers : planRest)(state, plan, request.since, planOptions(repository)),
    about: rest => isNothing(rest) ? undefined : rest
  })
  if (isNothing(rest)) return undefined
  return await execute(rest, writer, { states, tombstones, reads, quiet, taker: await trash.begin(request, rest) })
}

/** Whether a push that runs keeps a link, or a repository in which nothing else is left, that a plan was about. */
function isHeldOpen (state: RepositoryState, plan: Plan, options: PlanOptions): boolean {
  if (!state.exists) return false
  if (plan.candidates.some(digest => state.layers.has(digest) && options.leased(digest))) return true
  const isEmpty = state.revisions.size === 0 && state.tags.size === 0
  return isEmpty && (state.uploads.some(upload => options.uploading(upload)) || [...state.layers.values()].some(layer => options.leased(layer.digest) || layer.modifiedAt >= options.idleBefore))
}
