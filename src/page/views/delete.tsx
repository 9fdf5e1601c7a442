/** A deletion: what it would free, the confirmation, and how it goes. */
import { h, Fragment, type TargetedSubmitEvent } from 'preact'
import { useState } from 'preact/hooks'
import type { RepositoryPage } from '../../interface/catalog.js'
import type { Job, Receipt } from '../../interface/jobs.js'
import { count } from '../model/format.js'
import { deletionPath, type Doomed } from '../model/paths.js'
import { useLoad } from '../state/load.js'
import { queryOf } from '../state/pages.js'
import { useServices } from '../state/services.js'
import { Dialog } from './dialog.js'
import { Problem } from './parts.js'
import { Picture } from './picture.js'
import { Progress } from './progress.js'

const titleOf = (doomed: Doomed): string => {
  switch (doomed.type) {
    case 'tag': return `Delete ${doomed.repository}:${doomed.tag}`
    case 'tags': return `Delete all tags of ${doomed.repository}`
    case 'repository': return `Delete repository ${doomed.repository}`
  }
}

/** @param onClose gets whether something was deleted */
export function DeleteDialog ({ doomed, onClose }: { readonly doomed: Doomed, readonly onClose: (changed: boolean) => void }) {
  const [job, setJob] = useState<Job>()
  const close = (): void => { onClose(job !== undefined) }
  return (
    <Dialog title={`${titleOf(doomed)}${job === undefined ? '?' : ''}`} onClose={close} leavesNothing={job !== undefined}>
      {job === undefined
        ? <Preview doomed={doomed} onClose={close} onJob={setJob} />
        : <Fragment><Progress id={job.id} /><div class='actions'><button type='button' onClick={close}>Close</button></div></Fragment>}
    </Dialog>
  )
}

function Preview ({ doomed, onClose, onJob }: { readonly doomed: Doomed, readonly onClose: () => void, readonly onJob: (job: Job) => void }) {
  const { client } = useServices()
  const [recursive, setRecursive] = useState(false)
  const path = `${deletionPath(doomed)}${queryOf({ recursive: recursive ? 'true' : undefined })}`
  const rehearsed = useLoad(async signal => await client.rehearse<{ receipt: Receipt }>(path, signal), [path])
  // Of what is asked for now: what another deletion would do is no ground to confirm this one.
  const { value, problem } = rehearsed.isCurrent ? rehearsed : { value: undefined, problem: undefined }
  const [refusal, setRefusal] = useState<string>()
  const [busy, setBusy] = useState(false)
  const confirm = async (): Promise<void> => {
    setBusy(true)
    setRefusal(undefined)
    try {
      onJob(await client.json<Job>('DELETE', path))
    } catch (error) {
      setRefusal((error as Error).message)
      setBusy(false)
    }
  }
  return (
    <Fragment>
      {value === undefined && problem === undefined ? <p class='faint' role='status'>Looking at what would go…</p> : <Fragment />}
      {value === undefined || problem !== undefined ? <Fragment /> : <Rehearsed receipt={value.receipt} repository={doomed.repository} />}
      {doomed.type === 'repository' ? <Below name={doomed.repository} recursive={recursive} onChange={setRecursive} /> : <Fragment />}
      <Problem text={problem ?? refusal} />
      <Confirm doomed={doomed} disabled={busy || value === undefined || problem !== undefined} onClose={onClose} onConfirm={() => { void confirm() }} />
    </Fragment>
  )
}

function Rehearsed ({ receipt, repository }: { readonly receipt: Receipt, readonly repository: string }) {
  const { tags, manifests } = receipt.counts
  return (
    <div class='rehearsed'>
      <p>{count(tags, 'tag')} and {count(manifests, 'manifest')} go. {receipt.bytesInTrash > 0 ? 'It can be undone as long as the trash keeps it.' : 'This cannot be undone.'}</p>
      <Picture receipt={receipt} repository={repository} />
      {receipt.warnings.map(warning => <p key={warning} class='note'>{warning}</p>)}
    </div>
  )
}

/** Offers to take the repositories below this one along, where there are any. */
function Below ({ name, recursive, onChange }: { readonly name: string, readonly recursive: boolean, readonly onChange: (recursive: boolean) => void }) {
  const { client } = useServices()
  const { value } = useLoad(async signal => await client.json<RepositoryPage>('GET', `v1/repositories${queryOf({ prefix: `${name}/`, n: 1 })}`, signal), [name])
  if (value === undefined || value.repositories.length === 0) return <Fragment />
  return <label class='check'><input type='checkbox' checked={recursive} onChange={event => { onChange(event.currentTarget.checked) }} />Also the repositories below it, {name}/…</label>
}

/** A tag goes at the press of a button; for more than that, its name is to be typed. */
function Confirm ({ doomed, disabled, onClose, onConfirm }: { readonly doomed: Doomed, readonly disabled: boolean, readonly onClose: () => void, readonly onConfirm: () => void }) {
  const [typed, setTyped] = useState('')
  const isTyped = doomed.type === 'tag' || typed === doomed.repository
  const submit = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault()
    if (isTyped && !disabled) onConfirm()
  }
  return (
    <form onSubmit={submit}>
      {doomed.type === 'tag' ? <Fragment /> : <label>To confirm, type the repository’s name: {doomed.repository}<input value={typed} autocomplete='off' autocapitalize='none' spellcheck={false} onInput={event => { setTyped(event.currentTarget.value) }} /></label>}
      <div class='actions'><button type='button' onClick={onClose}>Keep it</button><button type='submit' class='danger primary' disabled={disabled || !isTyped}>Delete</button></div>
    </form>
  )
}
