/**
 * Notices that the registry's tree has gone, or is another than before: a volume that is not mounted any more leaves an
 * empty directory, which must not be taken for a registry in which everything was deleted.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { unavailable } from '../errors.js'
import { SetupError } from '../setup-error.js'
import { unlessMissing } from './contain.js'
import { identityOf } from './identity.js'

export class Anchor {
  #known: string | undefined

  private constructor (private readonly root: string, private readonly file: string) {}

  /**
   * @param root the directory `docker/registry/v2` of the storage
   * @param file where it is noted which tree it was
   * @param onOther told when it is another than at the last start
   * @throws SetupError when there was one at the last start, and there is none now
   */
  static async open (root: string, file: string, onOther: () => void): Promise<Anchor> {
    const anchor = new Anchor(root, file)
    const [before, now] = [await unlessMissing(readFile(file, 'utf8')), await identityOf(root)]
    if (before !== undefined && now === undefined) throw new SetupError(`${root} holds no repositories directory, which it did when Delgate ran last: is the registry's volume mounted? If the registry was emptied on purpose, remove ${file}`)
    if (before !== undefined && before !== now) onOther()
    await anchor.#note(now)
    return anchor
  }

  /** Notes the tree of a registry into which nothing had been pushed before. */
  async pushed (): Promise<void> {
    if (this.#known === undefined) await this.#note(await identityOf(this.root))
  }

  /** @throws CodedError 503 when the tree is not what it was */
  async check (): Promise<void> {
    const now = await identityOf(this.root)
    if (this.#known === undefined) return await this.#note(now)
    if (now === undefined) throw unavailable('the registry\'s storage has gone: its directory of repositories is not there any more. Mount it again; until then nothing is deleted')
    if (now !== this.#known) throw unavailable('the registry\'s storage is another than before: something else is mounted there. Start Delgate again if that is meant to be so; until then nothing is deleted')
  }

  async #note (identity: string | undefined): Promise<void> {
    this.#known = identity
    if (identity !== undefined) await writeFile(this.file, identity, { mode: 0o600 })
  }
}
