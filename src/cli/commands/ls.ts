/** `delgate ls [PREFIX]`: repositories with their sizes. */
import { parseRepositoryName } from '../../oci/name.js'
import { areMeasured } from '../../interface/catalog.js'
import { EXIT, type ExitCode } from '../failure.js'
import { JsonList, Table, type Output } from '../output.js'
import type { Session } from '../session.js'
import { ago, bytes } from '../words.js'

export interface LsOptions {
  readonly match?: string
  readonly sort?: 'name' | 'bytes'
  readonly quiet?: boolean
}

const COLUMNS = [{ title: 'REPOSITORY' }, { title: 'TAGS', right: true }, { title: 'SIZE', right: true }, { title: 'OWN', right: true }, { title: 'PUSHED', right: true }, { title: 'PULLED', right: true }]

/** What is said while the gate does not know all yet. */
export const INCOMPLETE = 'the gate still reads what is stored: the sizes are too small'
export const UNMEASURED = 'the gate still measures what is stored: the sizes are too small'

/** Says below a list what has to be said of its sizes. */
export function noteSizes (output: Output, { complete, measured }: { readonly complete: boolean, readonly measured: boolean }): void {
  if (!complete) output.note(INCOMPLETE)
  else if (!measured) output.note(UNMEASURED)
}

export async function listRepositories ({ match, sort, quiet = false }: LsOptions, { catalog, output, names: [prefix] }: Session): Promise<ExitCode> {
  const table = new Table(output, COLUMNS)
  const list = new JsonList(output, 'repositories')
  const known = { complete: true, measured: true }
  for await (const page of catalog.repositories({ prefix, match, sort })) {
    known.complete = page.complete
    known.measured &&= areMeasured(page.items)
    if (output.json) await list.add(page.items)
    else if (quiet) await output.names(page.items.map(({ name }) => name), parseRepositoryName)
    else await table.rows(page.items.map(one => [one.name, String(one.tags), bytes(one.bytes), bytes(one.ownBytes), ago(one.pushedAt), ago(one.pulledAt)]))
  }
  if (output.json) await list.end({ complete: known.complete })
  noteSizes(output, known)
  return EXIT.done
}
