/**
 * How many tags a repository has, and when one was pushed last. Remembered as long as the directory of its tags does not
 * change, and nobody pushes through the gate: a tag that is moved around the gate is seen with the next one.
 */
import type { RepositoryName } from '../oci/name.js'
import { parseTag } from '../oci/name.js'
import * as paths from '../storage/paths.js'
import type { TreeReader } from '../storage/read.js'
import { isSettled, sameStamp, stampOf, type Stamp } from '../storage/stamp.js'

export interface TagTimes {
  readonly tags: number
  /** Milliseconds since the epoch; `undefined` where there is no tag. */
  readonly pushedAt: number | undefined
}

export class TagTimesReader {
  readonly #known = new Map<RepositoryName, TagTimes & { readonly stamp: Stamp }>()

  constructor (private readonly reader: Pick<TreeReader, 'stats' | 'list' | 'modifiedAt'>) {}

  /** `undefined` where the repository has no directory of manifests. */
  async of (name: RepositoryName): Promise<TagTimes | undefined> {
    const listedAt = Date.now()
    const stats = await this.reader.stats(paths.tagsDirectory(name))
    if (stats?.isDirectory() !== true) {
      this.#known.delete(name)
      const manifests = await this.reader.stats(paths.manifestsDirectory(name))
      return manifests?.isDirectory() === true ? { tags: 0, pushedAt: undefined } : undefined
    }
    const stamp = stampOf(stats)
    const known = this.#known.get(name)
    if (known !== undefined && sameStamp(known.stamp, stamp)) return known
    const times = await this.#read(name)
    if (isSettled(stamp, listedAt)) this.#known.set(name, { ...times, stamp })
    return times
  }

  /** Somebody pushed there, or the repository went. */
  changed (name: RepositoryName): void { this.#known.delete(name) }

  async #read (name: RepositoryName): Promise<TagTimes> {
    let [tags, pushedAt] = [0, 0]
    for (const { name: entry } of await this.reader.list(paths.tagsDirectory(name), [])) {
      const tag = parseTag(entry)
      if (tag === undefined) continue
      tags++
      pushedAt = Math.max(pushedAt, await this.reader.modifiedAt(paths.tagCurrentLink(name, tag)) ?? 0)
    }
    return { tags, pushedAt: pushedAt === 0 ? undefined : pushedAt }
  }
}
