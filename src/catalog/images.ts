/** What images are for people, read from the registry's blobs and remembered: content never changes. */
import type { Digest } from '../oci/digest.js'
import { describeConfig, describeManifest } from '../oci/image.js'
import type { TreeReader } from '../storage/read.js'

export interface ImageFacts {
  readonly mediaType: string
  readonly platforms: readonly string[]
  /** Milliseconds since the epoch; `undefined` where nobody said so. */
  readonly createdAt: number | undefined
}

/** Images that are remembered. Entries, of some 200 bytes each. */
const REMEMBERED_MAXIMUM = 20_000
/** What is larger is no image's config. Bytes. */
const CONFIG_MAXIMUM_BYTES = 4 * 1024 * 1024
/** How deep in indexes of indexes is looked. */
const DEPTH_MAXIMUM = 3

export class Images {
  readonly #known = new Map<Digest, ImageFacts>()

  constructor (private readonly reader: Pick<TreeReader, 'manifestContent' | 'smallBlob'>) {}

  /** `undefined` where the manifest is not stored, or cannot be understood. */
  async facts (digest: Digest, depth = 0): Promise<ImageFacts | undefined> {
    const known = this.#known.get(digest)
    if (known !== undefined) return known
    const content = await this.reader.manifestContent(digest)
    if (content === undefined) return undefined
    const { platforms, createdAt, more } = describeManifest(content.bytes)
    const rest = createdAt !== undefined && platforms.length > 0 ? undefined : await this.#firstOf(more, depth)
    const facts = { mediaType: content.mediaType, platforms: platforms.length > 0 ? platforms : rest?.platforms ?? [], createdAt: createdAt ?? rest?.createdAt }
    if (this.#known.size >= REMEMBERED_MAXIMUM) this.#known.delete(this.#known.keys().next().value!)
    this.#known.set(digest, facts)
    return facts
  }

  /** What the config says, or the first manifest of an index. */
  async #firstOf (more: readonly Digest[], depth: number): Promise<Pick<ImageFacts, 'platforms' | 'createdAt'> | undefined> {
    if (more[0] === undefined || depth >= DEPTH_MAXIMUM) return undefined
    if (more.length === 1) {
      const config = await this.reader.smallBlob(more[0], CONFIG_MAXIMUM_BYTES)
      const described = config === undefined ? undefined : describeConfig(config)
      if (described !== undefined && (described.platforms.length > 0 || described.createdAt !== undefined)) return described
    }
    return await this.facts(more[0], depth + 1)
  }
}
