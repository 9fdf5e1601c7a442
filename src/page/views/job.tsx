/** One job: how it goes, what it removed, and what it left. */
import { h, Fragment } from 'preact'
import { useState } from 'preact/hooks'
import type { Job } from '../../interface/jobs.js'
import { hrefOf } from '../model/route.js'
import { jobTitle } from '../model/words.js'
import { Ago, Fact, Title } from './parts.js'
import { Picture } from './picture.js'
import { Progress } from './progress.js'

/** So many tags are named. */
const NAMED = 100

export function JobView ({ id }: { readonly id: string }) {
  const [job, setJob] = useState<Job>()
  return (
    <Fragment>
      <p class='back'><a href={hrefOf({ view: 'jobs' })}>← Jobs</a></p>
      <Title>{job === undefined ? 'Job' : jobTitle(job)}</Title>
      <Progress id={id} onJob={setJob} />
      {job === undefined ? <Fragment /> : <Details job={job} />}
    </Fragment>
  )
}

function Details ({ job }: { readonly job: Job }) {
  const { counts, tags, warnings, kept, blobs } = job.receipt
  return (
    <Fragment>
      <dl class='facts'>
        <Fact name='Asked for'><Ago at={job.createdAt} />{job.by?.user === undefined ? '' : ` by ${job.by.user}`}</Fact>
        <Fact name='Ended'><Ago at={job.endedAt} never='not yet' /></Fact>
        <Fact name='Removed'>{counts.tags} tags, {counts.manifests} manifests, {counts.layerLinks} layer links, {counts.blobs} blobs</Fact>
        {job.undoes === undefined ? <Fragment /> : <Fact name='Undoes'><a href={hrefOf({ view: 'job', id: job.undoes })}>another job</a></Fact>}
      </dl>
      {blobs.length + kept.length === 0 ? <Fragment /> : <section aria-label='What it freed'><Picture receipt={job.receipt} repository={'repository' in job.target ? job.target.repository : undefined} /></section>}
      {warnings.map(warning => <p key={warning} class='note'>{warning}</p>)}
      {tags.length === 0 ? <Fragment /> : <section><h2>Tags that went</h2><ul class='plain'>{tags.slice(0, NAMED).map(({ repository, tag }) => <li key={`${repository}:${tag}`}>{repository}:{tag}</li>)}{tags.length > NAMED ? <li>and {tags.length - NAMED} more</li> : <Fragment />}</ul></section>}
    </Fragment>
  )
}
