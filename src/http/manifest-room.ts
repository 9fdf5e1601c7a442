/** Room for the manifests that the gate holds in its memory, whoever sends them: nobody has asked yet who that is. */

/** Held at once: 64 of the largest, or sixty thousand of the usual ones. Bytes. */
const MAXIMUM_BYTES = 256 * 1024 * 1024

/** There is no room for more; it comes back as soon as others have their answers. */
export class RoomExceeded extends Error {
  override readonly name = 'RoomExceeded'
  constructor () { super('too many manifests are being pushed') }
}

/** What one manifest takes up. */
export interface Place {
  /** @throws RoomExceeded when so many bytes more have no room */
  take (bytes: number): void
  /** Gives back all that was taken. */
  end (): void
}

export class ManifestRoom {
  #held = 0

  /** @param maximum bytes */
  constructor (private readonly maximum: number = MAXIMUM_BYTES) {}

  /** Bytes that are held now. */
  get held (): number { return this.#held }

  open (): Place {
    let own = 0
    return {
      take: bytes => {
        if (this.#held + bytes > this.maximum) throw new RoomExceeded()
        own += bytes
        this.#held += bytes
      },
      end: () => {
        this.#held -= own
        own = 0
      }
    }
  }
}
