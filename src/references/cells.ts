/**
 * Records of a few 32-bit numbers each, known by number, in pages of typed arrays: no object a record, no copying when
 * there are more. A record that is given back is used again, so what they take is bounded by the most there ever were.
 */

/** No record: numbers begin with 1, so that a field that was never set points nowhere. */
export const NONE = 0

const PAGE_BITS = 12
const PAGE_MASK = (1 << PAGE_BITS) - 1

export class Cells {
  readonly #pages: Int32Array[] = []
  readonly #freed: number[] = []
  /** Numbers below have been given out at least once. */
  #end = 1
  #count = 0

  /** @param width fields of a record */
  constructor (readonly width: number) {}

  /** Records in use. */
  get count (): number { return this.#count }
  /** All numbers in use are below. */
  get end (): number { return this.#end }
  /** Memory, bytes. */
  get bytes (): number { return this.#pages.length * (PAGE_MASK + 1) * this.width * 4 + this.#freed.length * 8 }

  /** A record with all fields 0. */
  allocate (): number {
    this.#count++
    const freed = this.#freed.pop()
    if (freed !== undefined) {
      const at = (freed & PAGE_MASK) * this.width
      this.#pages[freed >> PAGE_BITS]!.fill(0, at, at + this.width)
      return freed
    }
    if ((this.#end >> PAGE_BITS) >= this.#pages.length) this.#pages.push(new Int32Array((PAGE_MASK + 1) * this.width))
    return this.#end++
  }

  release (cell: number): void {
    this.#count--
    this.#freed.push(cell)
  }

  get (cell: number, field: number): number {
    return this.#pages[cell >> PAGE_BITS]![(cell & PAGE_MASK) * this.width + field]!
  }

  set (cell: number, field: number, value: number): void {
    this.#pages[cell >> PAGE_BITS]![(cell & PAGE_MASK) * this.width + field] = value
  }
}
