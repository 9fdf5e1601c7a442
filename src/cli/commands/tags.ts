/** `delgate tags REPOSITORY`: its tags, with what each one holds alone. */
import { parseTag } from '../../oci/name.js'
import { areMeasured, type Tag } from '../../interface/catalog.js'
import { EXIT, type ExitCode } from '../failure.js'
import { JsonList, Table } from '../output.js'
import { parseRepository } from '../reference.js'
import type { Session } from '../session.js'
import { ago, bytes, shortDigest } from '../words.js'
import { noteSizes } from './ls.js'

export interface TagsOptions {
  readonly match?: string
  /** Digests whole. */
  readonly trunc?: boolean
  readonly quiet?: boolean
}

const COLUMNS = [{ title: 'TAG' }, { title: 'DIGEST' }, { title: 'CREATED', right: true }, { title: 'PUSHED', right: true }, { title: 'PULLED', right: true }, { title: 'SIZE', right: true }, { title: 'OWN', right: true }, { title: 'PLATFORMS' }]

export async function listTags ({ match, trunc = true, quiet = false }: TagsOptions, { catalog, output, names: [name = ''] }: Session): Promise<ExitCode> {
  const repository = parseRepository(name)
  const table = new Table(output, COLUMNS)
  const list = new JsonList(output, 'tags')
  const row = (tag: Tag): string[] => [tag.tag, digestOf(tag, trunc), ago(tag.createdAt), ago(tag.pushedAt), ago(tag.pulledAt), sizeOf(tag.bytes), sizeOf(tag.ownBytes), tag.problem ?? tag.platforms?.join(', ') ?? '']
  const known = { complete: true, measured: true }
  for await (const page of catalog.tags(repository, match)) {
    known.complete = page.complete
    known.measured &&= areMeasured(page.items)
    if (output.json) await list.add(page.items)
    else if (quiet) await output.names(page.items.map(({ tag }) => tag), parseTag)
    else await table.rows(page.items.map(row))
  }
  if (output.json) await list.end({ repository, complete: known.complete })
  noteSizes(output, known)
  return EXIT.done
}

const digestOf = ({ digest }: Tag, trunc: boolean): string => digest === undefined ? '-' : trunc ? shortDigest(digest) : digest
const sizeOf = (size: number | undefined): string => size === undefined ? '-' : bytes(size)
