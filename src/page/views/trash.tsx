/** What can still be undone. */
import { h, Fragment } from 'preact'
import { useState } from 'preact/hooks'
import type { Job } from '../../interface/jobs.js'
import type { Jobs, Status } from '../api/types.js'
import { count, formatBytes } from '../model/format.js'
import { hrefOf } from '../model/route.js'
import { keptOf, unlistedWords } from '../model/trash.js'
import { jobTitle } from '../model/words.js'
import { useLoad } from '../state/load.js'
import { useServices } from '../state/services.js'
import { Dialog } from './dialog.js'
import { Ago, Problem, Title } from './parts.js'
import { Undo } from './progress.js'

/** As many as the interface lists at once. */
const LIMIT = 1000
const LATER = 10_000

export function TrashView () {
  const { client, announce } = useServices()
  const [asking, setAsking] = useState(false)
  const { value, problem, reload } = useLoad(async signal => {
    const [{ jobs }, { trash }] = await Promise.all([client.json<Jobs>('GET', `v1/jobs?limit=${LIMIT}`, signal), client.json<Status>('GET', 'v1/status', signal)])
    return { kept: keptOf(jobs), trash }
  }, [], () => LATER)
  return (
    <Fragment>
      <div class='heading'>
        <Title>Trash</Title>
        {value === undefined || value.trash.jobs === 0 ? <Fragment /> : <button type='button' class='danger' onClick={() => { setAsking(true) }}>Empty the trash…</button>}
      </div>
      <Problem text={problem} onAgain={reload} />
      {value?.trash.jobs === 0 ? <p class='empty'>Nothing is kept. Where <code>trash.keepFor</code> is set, a deletion waits here, and can be undone.</p> : <Fragment />}
      {value === undefined || value.trash.jobs === 0 ? <Fragment /> : <Totals trash={value.trash} listed={value.kept.length} />}
      <ul class='jobs'>{value?.kept.map(job => <Row key={job.id} job={job} onUndone={reload} />)}</ul>
      {asking && value !== undefined ? <EmptyDialog trash={value.trash} onClose={freed => { setAsking(false); if (freed !== undefined) announce(`${formatBytes(freed)} are free again`); reload() }} /> : <Fragment />}
    </Fragment>
  )
}

function Totals ({ trash: { jobs, bytes }, listed }: { readonly trash: Status['trash'], readonly listed: number }) {
  const unlisted = unlistedWords(listed, jobs, LIMIT)
  return (
    <Fragment>
      <p>{count(jobs, 'deletion')}, {formatBytes(bytes)}: the room comes back when they go for good.</p>
      {unlisted === undefined ? <Fragment /> : <p class='note'>{unlisted}</p>}
    </Fragment>
  )
}

function Row ({ job, onUndone }: { readonly job: Job, readonly onUndone: () => void }) {
  return (
    <li>
      <div class='line'><a href={hrefOf({ view: 'job', id: job.id })}>{jobTitle(job)}</a><span>{formatBytes(job.receipt.bytesInTrash)}</span></div>
      <p class='faint'>deleted <Ago at={job.createdAt} />{job.by?.user === undefined ? '' : ` by ${job.by.user}`}</p>
      <Undo job={job} onUndone={onUndone} />
    </li>
  )
}

function EmptyDialog ({ trash: { jobs, bytes }, onClose }: { readonly trash: Status['trash'], readonly onClose: (freed?: number) => void }) {
  const { client } = useServices()
  const [problem, setProblem] = useState<string>()
  const empty = async (): Promise<void> => {
    await client.json<{ bytesFreed: number }>('POST', 'v1/trash/empty').then(({ bytesFreed }) => { onClose(bytesFreed) }, (error: Error) => { setProblem(error.message) })
  }
  return (
    <Dialog title='Empty the trash?' onClose={() => { onClose() }}>
      <p>{count(jobs, 'deletion')} can then not be undone any more. {formatBytes(bytes)} become free.</p>
      <Problem text={problem} />
      <div class='actions'><button type='button' onClick={() => { onClose() }}>Keep it</button><button type='button' class='danger primary' onClick={() => { void empty() }}>Empty the trash</button></div>
    </Dialog>
  )
}
