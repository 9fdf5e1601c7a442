/** The jobs, the newest first, as they go on. */
import { h, Fragment } from 'preact'
import { useState } from 'preact/hooks'
import type { Job, JobState } from '../../interface/jobs.js'
import type { Jobs } from '../api/types.js'
import { hrefOf } from '../model/route.js'
import { hasEnded } from '../../interface/jobs.js'
import { jobTitle, outcomeWords, progressOf } from '../model/words.js'
import { useLoad } from '../state/load.js'
import { queryOf } from '../state/pages.js'
import { useServices } from '../state/services.js'
import { Ago, Problem, Title } from './parts.js'

const ROWS = 50
/** How soon to look again: while something runs, and otherwise. Milliseconds. */
const SOON = 1000
const LATER = 10_000

const STATES: ReadonlyArray<readonly [state: JobState | '', words: string]> =
  [['', 'all'], ['queued', 'waiting'], ['running', 'running'], ['done', 'done'], ['failed', 'failed'], ['cancelled', 'cancelled']]

export function JobsView () {
  const { client } = useServices()
  const [state, setState] = useState('')
  const [rows, setRows] = useState(ROWS)
  const { value, problem, reload } = useLoad(async signal => await client.json<Jobs>('GET', `v1/jobs${queryOf({ state: state === '' ? undefined : state, limit: rows })}`, signal), [state, rows], ({ jobs }) => jobs.some(job => !hasEnded(job)) ? SOON : LATER)
  return (
    <Fragment>
      <Title>Jobs</Title>
      <div class='tools'><label class='inline'>Show<select value={state} onChange={event => { setState(event.currentTarget.value) }}>{STATES.map(([value, words]) => <option key={value} value={value}>{words}</option>)}</select></label></div>
      <Problem text={problem} onAgain={reload} />
      {value?.jobs.length === 0 ? <p class='empty'>There are no jobs here. Each deletion and each collection is one.</p> : <Fragment />}
      <ul class='jobs'>{value?.jobs.map(job => <Row key={job.id} job={job} />)}</ul>
      {value !== undefined && value.total > value.jobs.length && rows < 1000 ? <button type='button' onClick={() => { setRows(Math.min(1000, rows * 4)) }}>Show more of {value.total.toLocaleString('en')}</button> : <Fragment />}
    </Fragment>
  )
}

function Row ({ job }: { readonly job: Job }) {
  return (
    <li>
      <div class='line'><a href={hrefOf({ view: 'job', id: job.id })}>{jobTitle(job)}</a><span class={`badge state-${job.state}`}>{job.state}</span></div>
      <p class='faint'><Ago at={job.createdAt} />{job.by?.user === undefined ? '' : ` by ${job.by.user}`}: {outcomeWords(job)}</p>
      {hasEnded(job) ? <Fragment /> : <progress max='1' value={progressOf(job)} aria-label={`How far: ${jobTitle(job)}`} />}
    </li>
  )
}
