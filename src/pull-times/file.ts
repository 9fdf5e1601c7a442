/** The last pulls on the disk: blocks of JSON, one for each repository, with a checksum over all of it. */
import { access, constants } from 'node:fs/promises'
import { parseDigest, type Digest } from '../oci/digest.js'
import { parseRepositoryName, parseTag, type Tag } from '../oci/name.js'
import { readBlocks, removeUnfinished, writeBlocks, type Block } from '../references/file.js'
import { PullTimes, type Times } from './pull-times.js'

const FORMAT = 'delgate pull times'
const VERSION = 1
const HEAD = 1
const REPOSITORY = 2

type Pairs = Array<[string, number]>
interface Head { readonly format: string, readonly version: number, readonly since: number }
interface Saved { readonly repository: string, readonly named: Pairs, readonly tagged: Pairs, readonly restored: Pairs }

/** What there was: a record to go on with, none, or one that cannot be used. */
export type Read = { readonly outcome: 'read', readonly times: PullTimes } | { readonly outcome: 'missing' } | { readonly outcome: 'damaged', readonly reason: string }

/** Reads what `savePullTimes` wrote. */
export async function readPullTimes (path: string): Promise<Read> {
  let times: PullTimes | undefined
  try {
    await removeUnfinished(path)
    await access(path, constants.R_OK)
    for await (const block of readBlocks(path)) {
      if (times === undefined) times = begin(block)
      else take(times, block)
    }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? { outcome: 'missing' } : { outcome: 'damaged', reason: (error as Error).message }
  }
  return times === undefined ? { outcome: 'damaged', reason: 'it was cut or changed' } : { outcome: 'read', times }
}

/** Writes all of it: afterwards there is the new file, or, where that fails, the one before. */
export async function savePullTimes (path: string, times: PullTimes): Promise<void> { await writeBlocks(path, blocksOf(times)) }

function * blocksOf (times: PullTimes): Generator<Block> {
  const head: Head = { format: FORMAT, version: VERSION, since: times.since }
  yield json(HEAD, head)
  for (const [repository, { named, tagged, restored }] of times.entries()) {
    const saved: Saved = { repository, named: [...named], tagged: [...tagged], restored: [...restored] }
    yield json(REPOSITORY, saved)
  }
}

const json = (type: number, value: unknown): Block => ({ type, bytes: Buffer.from(JSON.stringify(value)) })

function begin ({ type, bytes }: Block): PullTimes {
  const { format, version, since } = JSON.parse(bytes.toString()) as Partial<Head>
  if (type !== HEAD || format !== FORMAT || version !== VERSION) throw new Error('it is of another kind, or of another version')
  return new PullTimes(timeOf(since))
}

function take (times: PullTimes, { bytes }: Block): void {
  const { repository, named, tagged, restored } = JSON.parse(bytes.toString()) as Saved
  const name = parseRepositoryName(repository)
  if (name === undefined) throw new Error('it names what is no repository')
  const read: Times = {
    named: mapOf(named, of => parseDigest(of) ?? parseTag(of)),
    tagged: mapOf(tagged, parseDigest),
    restored: mapOf(restored, parseTag)
  }
  times.load(name, read)
}

function mapOf<Of extends Tag | Digest> (pairs: Pairs, parse: (text: string) => Of | undefined): Map<Of, number> {
  return new Map(pairs.map(([text, at]) => {
    const of = parse(text)
    if (of === undefined) throw new Error('it names what is neither a tag nor a digest')
    return [of, timeOf(at)]
  }))
}

function timeOf (value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error('it has a time that is none')
  return value
}
