/** What is about to go is confirmed by somebody, or by `--yes`. */
import { EXIT, Failure } from './failure.js'
import type { Session } from './session.js'

type Parts = Pick<Session, 'ask'>

const NOBODY = 'nothing was deleted: nobody is there to confirm it (no terminal, or --json); use --yes'
const DECLINED = 'nothing was deleted'

/** y or N. @throws Failure unless the answer is yes */
export async function confirmYes (text: string, { ask }: Parts): Promise<void> {
  if (ask === undefined) throw new Failure(EXIT.usage, NOBODY)
  if (!/^y(?:es)?$/i.test((await ask(`${text} [y/N] `)).trim())) throw new Failure(EXIT.failed, DECLINED)
}

/** By typing a name. @throws Failure when something else is typed */
export async function confirmName (what: string, name: string, { ask }: Parts): Promise<void> {
  if (ask === undefined) throw new Failure(EXIT.usage, NOBODY)
  const typed = (await ask(`To delete ${what}, type ${name}: `)).trim()
  if (typed !== name) throw new Failure(EXIT.failed, typed === '' ? DECLINED : `${DECLINED}: "${typed}" is not "${name}"`)
}
