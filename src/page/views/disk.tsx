/** What is stored, what of it is used, and how that went over time. */
import { h, Fragment } from 'preact'
import { useState } from 'preact/hooks'
import type { Usage } from '../../interface/catalog.js'
import type { Job } from '../../interface/jobs.js'
import { count, formatBytes } from '../model/format.js'
import { useLoad } from '../state/load.js'
import { useServices } from '../state/services.js'
import { Dialog } from './dialog.js'
import { History } from './history.js'
import { Ago, Fact, Incomplete, Key, Problem, Title } from './parts.js'
import { Progress } from './progress.js'

const SOON = 1500
const LATER = 30_000

export function DiskView () {
  const { client } = useServices()
  const { value, problem, reload } = useLoad(async signal => await client.json<Usage>('GET', 'v1/usage', signal), [], ({ complete, measuring, measured }) => complete && measured && !measuring ? LATER : SOON)
  const [collecting, setCollecting] = useState(false)
  return (
    <Fragment>
      <div class='heading'><Title>Disk</Title><button type='button' onClick={() => { setCollecting(true) }}>Collect what nothing uses…</button></div>
      <Problem text={problem} onAgain={reload} />
      <Incomplete complete={value?.complete} measured={value?.measured} />
      {value === undefined ? <Fragment /> : <Use usage={value} />}
      <History />
      {collecting ? <CollectDialog onClose={() => { setCollecting(false); reload() }} /> : <Fragment />}
    </Fragment>
  )
}

function Use ({ usage: { stored, used, shared, garbage, trash, uploads, disk, measuredAt, measuring } }: { readonly usage: Usage }) {
  const parts: ReadonlyArray<readonly [kind: string, words: string, bytes: number]> = [
    ['freed', 'used by one repository', used.bytes - shared.bytes],
    ['shared', 'shared by several', shared.bytes],
    ['garbage', 'used by nothing', garbage.bytes],
    ['trash', 'in the trash', trash.bytes],
    ['uploads', 'in unfinished uploads', uploads.bytes]
  ]
  const total = Math.max(1, parts.reduce((sum, [, , bytes]) => sum + bytes, 0))
  let x = 0
  return (
    <section aria-label='What is stored'>
      <svg class='picture' viewBox='0 0 100 10' preserveAspectRatio='none' aria-hidden='true'>
        <rect class='ground' width='100' height='10' />
        {parts.map(([kind, , bytes]) => { const at = x; const width = bytes / total * 100; x += width; return <rect key={kind} class={`fill-${kind}`} x={at} width={Math.max(0, width - 0.3)} height='10' /> })}
      </svg>
      <ul class='legend'>{parts.map(([kind, words, bytes]) => <li key={kind}><Key kind={kind} /><strong>{formatBytes(bytes)}</strong> {words}</li>)}</ul>
      <dl class='facts'>
        <Fact name='Stored'>{formatBytes(stored.bytes)} in {count(stored.blobs, 'blob')}</Fact>
        <Fact name='Disk'>{disk === null ? 'not known' : `${formatBytes(disk.freeBytes)} free of ${formatBytes(disk.totalBytes)}`}</Fact>
        <Fact name='Measured'>{measuring ? 'now…' : <Ago at={measuredAt} never='not yet' />}</Fact>
      </dl>
    </section>
  )
}

/** A collection, which takes nothing that anything uses. */
function CollectDialog ({ onClose }: { readonly onClose: () => void }) {
  const { client } = useServices()
  const [job, setJob] = useState<Job>()
  const [problem, setProblem] = useState<string>()
  const collect = async (): Promise<void> => {
    await client.json<Job>('POST', 'v1/collections').then(setJob, (error: Error) => { setProblem(error.message) })
  }
  return (
    <Dialog title='Collect what nothing uses?' onClose={onClose}>
      {job === undefined ? <p>Blobs that no manifest uses and uploads that were given up go. Tags and manifests stay.</p> : <Progress id={job.id} />}
      <Problem text={problem} />
      <div class='actions'><button type='button' onClick={onClose}>Close</button>{job === undefined ? <button type='button' class='primary' onClick={() => { void collect() }}>Collect</button> : <Fragment />}</div>
    </Dialog>
  )
}
