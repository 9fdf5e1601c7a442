/** The login: asked for when something needs it, which then goes on. */
import { h, Fragment, type TargetedSubmitEvent } from 'preact'
import { useState } from 'preact/hooks'
import type { Session, Wanted } from '../api/session.js'
import { isReachable } from '../api/token.js'
import { Dialog } from './dialog.js'
import { Problem } from './parts.js'

export function Login ({ session, wanted: { challenge, expired } }: { readonly session: Session, readonly wanted: Wanted }) {
  const [problem, setProblem] = useState<string>()
  const [busy, setBusy] = useState(false)
  const isToken = challenge.scheme === 'bearer'
  if (challenge.scheme === 'other' || (isToken && !isReachable(challenge))) return <Unable isToken={isToken} />
  const submit = async (event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const field = (name: string): string => String(form.get(name) ?? '')
    setBusy(true)
    setProblem(await session.login(field('user'), field('password'), field('repositories').split(/[\s,]+/).filter(name => name !== '')))
    setBusy(false)
  }
  return (
    <Dialog title='Log in' focusesInside>
      <form class='login' onSubmit={event => { void submit(event) }}>
        <p>{expired ? 'Your login is not accepted any more. Log in again, and what you asked for goes on.' : 'With the login that you use for the registry. It stays in the memory of this page, and is gone when you close it.'}</p>
        <label>User<input name='user' autocomplete='username' autocapitalize='none' spellcheck={false} required autofocus /></label>
        <label>Password<input name='password' type='password' autocomplete='current-password' required /></label>
        {isToken ? <label>Repositories<input name='repositories' autocapitalize='none' spellcheck={false} aria-describedby='why-repositories' /><small id='why-repositories'>This registry gives out tokens for single repositories. If you may not list all, name those that you want to see, with spaces between them.</small></label> : <Fragment />}
        <Problem text={problem} />
        <div class='actions'><button type='submit' class='primary' disabled={busy}>Log in</button></div>
      </form>
    </Dialog>
  )
}

function Unable ({ isToken }: { readonly isToken: boolean }) {
  return (
    <Dialog title='Not from here'>
      <p>{isToken ? 'This registry gives out tokens at another address, which this page may not ask.' : 'This registry asks for a kind of login that this page does not know.'} Use the command line or the HTTP interface instead.</p>
    </Dialog>
  )
}
