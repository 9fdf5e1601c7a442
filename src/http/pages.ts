/** Lists that are given in pages: which names are wanted, and how many at once. */
import { requestInvalid } from '../errors.js'
import { parseGlob } from '../oci/glob.js'

const COUNT_DEFAULT = 100
const COUNT_MAXIMUM = 1000
/** No name is longer. Letters. */
const PATTERN_MAXIMUM = 512

export interface PageQuery {
  /** How many. */
  readonly count: number
  /** The last name of the page before. */
  readonly last: string | undefined
  readonly isWanted: (name: string) => boolean
  /** The first one of the words that are allowed where nothing is said. */
  readonly sort: string | undefined
}

/**
 * Reads the query of a list: `n`, `last`, `match` (a glob), `prefix`, `sort`.
 * @param sorts words that `sort` may be
 * @throws CodedError 400
 */
export function parsePage (query: string, sorts: readonly string[] = []): PageQuery {
  const parameters = new URLSearchParams(query)
  const known = ['n', 'last', 'match', 'prefix', ...sorts.length > 0 ? ['sort'] : []]
  for (const key of parameters.keys()) {
    if (!known.includes(key)) throw requestInvalid(`unknown query parameter; known here: ${known.join(', ')}`)
    if (parameters.getAll(key).length > 1) throw requestInvalid(`query parameter ${key} is given twice`)
  }
  const text = (key: string): string | undefined => {
    const value = parameters.get(key) ?? undefined
    if (value !== undefined && value.length > PATTERN_MAXIMUM) throw requestInvalid(`query parameter ${key} is longer than ${PATTERN_MAXIMUM} letters`)
    return value
  }
  const n = text('n') ?? String(COUNT_DEFAULT)
  if (!/^[1-9]\d{0,3}$/.test(n) || Number(n) > COUNT_MAXIMUM) throw requestInvalid(`n must be a number from 1 to ${COUNT_MAXIMUM}`)
  const sort = text('sort') ?? sorts[0]
  if (sort !== undefined && !sorts.includes(sort)) throw requestInvalid(`sort must be one of ${sorts.join(', ')}`)
  const [match, prefix] = [text('match'), text('prefix') ?? '']
  const matches = match === undefined ? () => true : parseGlob(match)
  return { count: Number(n), last: text('last'), isWanted: name => name.startsWith(prefix) && matches(name), sort }
}

/** The names after the last one of the page before. @param isSorted by name; otherwise it must be among them, or nothing is left */
export function after<Name extends string> (names: readonly Name[], last: string | undefined, isSorted: boolean): readonly Name[] {
  if (last === undefined) return names
  if (!isSorted) {
    const at = (names as readonly string[]).indexOf(last)
    return at === -1 ? [] : names.slice(at + 1)
  }
  let [low, high] = [0, names.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (names[middle]! <= last) low = middle + 1
    else high = middle
  }
  return names.slice(low)
}
