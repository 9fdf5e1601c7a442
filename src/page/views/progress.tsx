/** A job as it goes on, what came of it, and the way back. */
import { h, Fragment } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { Job } from '../../interface/jobs.js'
import { hrefOf } from '../model/route.js'
import { hasEnded } from '../../interface/jobs.js'
import { canUndo, cancelWords, outcomeWords, progressOf } from '../model/words.js'
import { useJob } from '../state/job.js'
import { useServices } from '../state/services.js'
import { Ago, Problem } from './parts.js'

export function Progress ({ id, onJob }: { readonly id: string, readonly onJob?: (job: Job) => void }) {
  const [version, setVersion] = useState(0)
  const { job, problem } = useJob(id, version)
  useEffect(() => { if (job !== undefined) onJob?.(job) }, [job])
  if (job === undefined) return <Problem text={problem} />
  const ended = hasEnded(job)
  return (
    <div class='job'>
      <div role='status'>
        <p class={`outcome state-${job.state}`}>{outcomeWords(job)}</p>
      </div>
      {ended ? <Fragment /> : <progress max='1' value={progressOf(job)} aria-label='How far the job is' />}
      <Problem text={problem} />
      <Undo job={job} onUndone={() => { setVersion(version + 1) }} />
      <Cancel job={job} />
      {onJob === undefined ? <p class='faint'><a href={hrefOf({ view: 'job', id })}>All about this job</a>{ended ? '' : '. It goes on when you close this.'}</p> : <Fragment />}
    </div>
  )
}

/** The way back, while the trash keeps what went. */
export function Undo ({ job, onUndone }: { readonly job: Job, readonly onUndone: () => void }) {
  const { client, announce } = useServices()
  const [problem, setProblem] = useState<string>()
  const [busy, setBusy] = useState(false)
  if (!canUndo(job)) return <Fragment />
  const undo = async (): Promise<void> => {
    setBusy(true)
    try {
      await client.json<Job>('POST', `v1/jobs/${job.id}/undo`)
      announce('Undone: everything is back')
      onUndone()
    } catch (error) {
      setProblem((error as Error).message)
    }
    setBusy(false)
  }
  return (
    <Fragment>
      <Problem text={problem} />
      <p><button type='button' disabled={busy} onClick={() => { void undo() }}>Undo</button> <span class='faint'>possible until it goes for good, <Ago at={job.trash?.until} /></span></p>
    </Fragment>
  )
}

function Cancel ({ job }: { readonly job: Job }) {
  const { client } = useServices()
  const [problem, setProblem] = useState<string>()
  if (job.state !== 'queued') return <Fragment />
  const cancel = async (): Promise<void> => {
    await client.json<Job>('POST', `v1/jobs/${job.id}/cancel`).catch((error: Error) => { setProblem(error.message) })
  }
  return <Fragment><Problem text={problem} /><p><button type='button' onClick={() => { void cancel() }}>Cancel the job</button> <span class='faint'>{cancelWords(job)}</span></p></Fragment>
}
