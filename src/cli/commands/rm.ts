/** `delgate rm REFERENCE…`: shows what would go, has it confirmed, and deletes it. */
import { confirmName, confirmYes } from '../confirm.js'
import { EXIT, type ExitCode } from '../failure.js'
import { paint } from '../output.js'
import { carryOut, type Outcome } from '../removal/carry-out.js'
import { everything, parseArguments, severalText, type Deletion } from '../removal/deletion.js'
import { expand } from '../removal/expand.js'
import { freedBytes, freesText, rehearse, showPlan, type Rehearsed } from '../removal/rehearse.js'
import type { Session } from '../session.js'
import { settle, type WaitOptions } from '../settle.js'
import { count } from '../words.js'

export interface RmOptions extends WaitOptions {
  readonly recursive?: boolean
  readonly allTags?: boolean
  readonly all?: boolean
  readonly dryRun?: boolean
  readonly yes?: boolean
}

export async function remove (options: RmOptions, session: Session): Promise<ExitCode> {
  const references = parseArguments(session.names, options)
  const deletions = options.all === true ? [everything(session.client.host)] : await expand(references, options, session)
  if (options.dryRun === true) return await show(deletions, session)
  if (options.yes !== true) await confirm(await rehearsedFor(deletions, session), session)
  return await finish(await carryOut(deletions, session), options, session)
}

async function show (deletions: readonly Deletion[], session: Session): Promise<ExitCode> {
  const { output } = session
  const rehearsed = await rehearse(deletions, true, session)
  await output.document({ dryRun: true, deletions: rehearsed.map(({ deletion, receipt }) => ({ reference: deletion.text, receipt })), bytesFreed: freedBytes(rehearsed) })
  if (output.json) return EXIT.done
  await showPlan(rehearsed, session, Infinity)
  await output.line(`Nothing was deleted (dry run). It would free ${freesText(rehearsed)}.`)
  return EXIT.done
}

/** Where nobody can confirm, nothing is tried for the sake of showing it. */
async function rehearsedFor (deletions: readonly Deletion[], session: Session): Promise<Rehearsed[]> {
  if (session.ask === undefined) await confirmYes('', session)
  const rehearsed = await rehearse(deletions, false, session)
  await showPlan(rehearsed, session)
  if (rehearsed.some(({ receipt }) => receipt === undefined)) await session.output.line(paint('yellow', 'So many are not tried first: if the gate refuses some of them, the others are deleted nevertheless. --dry-run tries each.'))
  return rehearsed
}

/** Tags and manifests by y; whole repositories by what was typed to name them. */
async function confirm (rehearsed: readonly Rehearsed[], session: Session): Promise<void> {
  const small = rehearsed.filter(({ deletion: { kind } }) => kind === 'tag' || kind === 'manifest')
  if (small.length > 0) await confirmYes(`Delete ${small.length === 1 ? small[0]!.deletion.text : count(small.length, 'reference')}, which frees ${freesText(small)}?`, session)
  const large = rehearsed.filter(one => !small.includes(one))
  for (const argument of new Set(large.map(({ deletion }) => deletion.argument))) {
    const group = large.filter(({ deletion }) => deletion.argument === argument)
    const what = group.length === 1 ? group[0]!.deletion.text : severalText(group[0]!.deletion.kind, group.length)
    await confirmName(`${what} and free ${freesText(group)}`, argument, session)
  }
}

async function finish (outcomes: readonly Outcome[], options: RmOptions, session: Session): Promise<ExitCode> {
  const accepted = outcomes.flatMap(outcome => 'job' in outcome ? { job: outcome.job, scopes: outcome.deletion.scopes } : [])
  const jobs = await settle(accepted, options, session)
  const failures = outcomes.flatMap(outcome => 'failure' in outcome ? outcome : [])
  await session.output.document({
    dryRun: false,
    deletions: outcomes.map(outcome => 'failure' in outcome
      ? { reference: outcome.deletion.text, error: outcome.failure.message }
      : { reference: outcome.deletion.text, job: jobs.find(({ id }) => id === outcome.job.id) }),
    bytesFreed: jobs.reduce((sum, { receipt }) => sum + receipt.bytesFreed, 0)
  })
  if (jobs.some(({ state }) => state === 'failed' || state === 'cancelled')) return EXIT.failed
  return failures[0]?.failure.exitCode ?? EXIT.done
}
