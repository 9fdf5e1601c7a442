/**
 * Removes empty directories beside running traffic. The registry makes a directory first and the file in it after:
 *
 *     registry  makes blobs/sha256/ab
 *     gate      removes it: it is empty
 *     registry  makes blobs/sha256/ab/<hex>            → the push fails
 *
 * So nobody may be writing there, which is asked in the very moment in which the directory goes.
 */
import { sep } from 'node:path'
import * as paths from '../storage/paths.js'
import type { TreeWriter } from '../storage/write.js'
import type { Sessions } from '../traffic/sessions.js'

type Writing = Pick<Sessions, 'isWritingUnder' | 'leasesUnder' | 'leasesAlias'>

export class Pruner implements Pick<TreeWriter, 'pruneUp'> {
  constructor (private readonly writer: TreeWriter, private readonly sessions: Writing) {}

  async pruneUp (start: readonly string[]): Promise<number> {
    return await this.writer.pruneUp(start, directory => isQuiet(directory, this.sessions))
  }
}

/** Whether no request that the registry is at work on could be about to write below a directory. */
export function isQuiet (directory: string, sessions: Writing): boolean {
  const [top, ...rest] = directory.split(sep)
  if (top === paths.BLOBS) {
    // What is committed under another algorithm's name is stored by a digest that is not known yet.
    const [algorithm, prefix] = rest
    return !sessions.leasesAlias() && !sessions.leasesUnder(`${algorithm}:${prefix}`)
  }
  const own = rest.findIndex(segment => segment.startsWith('_'))
  return !sessions.isWritingUnder((own === -1 ? rest : rest.slice(0, own)).join('/'))
}
