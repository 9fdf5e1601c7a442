/** How much of a name must be there before the rest may be missing ("timeout" for "timeoutSeconds"). Characters. */
const PREFIX_CHARACTERS = 4

/** Edits (insert, delete, replace, swap neighbours) between two texts: optimal string alignment. */
function distance (left: string, right: string): number {
  const rows: number[][] = [Array.from({ length: right.length + 1 }, (_, column) => column)]
  for (let i = 1; i <= left.length; i++) {
    const row = [i]
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1]
      let cost = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]) cost = Math.min(cost, rows[i - 2]![j - 2]! + 1)
      row.push(cost)
    }
    rows.push(row)
  }
  return rows[left.length]![right.length]!
}

/**
 * The candidate that `text` is most likely a misspelling of; `undefined` when nothing is near (a third of it
 * would have to change) and none begins with it. Letter case, `_` and `-` do not count: they are what people get wrong most.
 */
export function nearest (text: string, candidates: Iterable<string>): string | undefined {
  const plain = (value: string) => value.toLowerCase().replaceAll(/[_-]/g, '')
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(plain(text).length / 3)) + 1
  for (const candidate of candidates) {
    const edits = distance(plain(text), plain(candidate))
    if (edits < bestDistance) [best, bestDistance] = [candidate, edits]
  }
  if (best !== undefined || text.length < PREFIX_CHARACTERS) return best
  return [...candidates].filter((candidate) => plain(candidate).startsWith(plain(text))).sort((a, b) => a.length - b.length)[0]
}
