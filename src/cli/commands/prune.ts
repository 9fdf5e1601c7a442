/** `delgate prune`: carries out the gate's retention rules; what they decide is shown first. */
import type { Job } from '../../interface/jobs.js'
import type { RetentionPlan } from '../answers.js'
import { CATALOG_SCOPE } from '../../interface/challenge.js'
import { confirmYes } from '../confirm.js'
import { EXIT, type ExitCode } from '../failure.js'
import { Table } from '../output.js'
import type { Session } from '../session.js'
import { settle, type WaitOptions } from '../settle.js'
import { bytes, count, shortDigest } from '../words.js'

export interface PruneOptions extends WaitOptions {
  readonly dryRun?: boolean
  readonly yes?: boolean
}

const PATH = '/delgate/v1/retention/runs'
const COLUMNS = [{ title: 'WHAT' }, { title: 'ACTION' }, { title: 'RULE' }, { title: 'WHY' }]

export async function prune ({ dryRun = false, yes = false, wait }: PruneOptions, session: Session): Promise<ExitCode> {
  const { client, output } = session
  if (!yes && !dryRun && session.ask === undefined) await confirmYes('', session)
  if (!yes || dryRun) {
    const plan = await client.json<RetentionPlan>('POST', `${PATH}?dry-run=true`, { scopes: [CATALOG_SCOPE] })
    const going = await show(plan, dryRun, session)
    if (dryRun) await output.document(plan)
    if (dryRun || going === 0) return EXIT.done
    await confirmYes(`Delete ${count(going, 'reference')}, which frees ${bytes(plan.receipt.bytesFreed)}?`, session)
  }
  const job = await client.json<Job>('POST', PATH, { scopes: [CATALOG_SCOPE] })
  const [ended = job] = await settle([{ job, scopes: [] }], { wait }, session)
  await output.document(ended)
  return ended.state === 'failed' || ended.state === 'cancelled' ? EXIT.failed : EXIT.done
}

/** @param all whether what stays is shown, too. @returns how much goes */
async function show ({ repositories, receipt }: RetentionPlan, all: boolean, { output }: Session): Promise<number> {
  let going = 0
  const table = new Table(output, COLUMNS)
  for (const { repository, tags, untagged } of output.json ? [] : repositories) {
    const rows = [
      ...tags.map(({ tag, action, rule = '', reason }) => [`${repository}:${tag}`, action, rule, reason]),
      ...untagged.map(({ digest, rule, reason }) => [`${repository}@${shortDigest(digest)}`, 'delete', rule, reason])
    ]
    going += rows.filter(([, action]) => action === 'delete').length
    await table.rows(rows.filter(([, action]) => all || action === 'delete'))
  }
  await output.line(all
    ? `Nothing was deleted (dry run). It would delete ${count(going, 'reference')} and free ${bytes(receipt.bytesFreed)}.`
    : going === 0 ? 'The rules delete nothing at the moment.' : '')
  return going
}
