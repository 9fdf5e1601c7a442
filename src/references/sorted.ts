/** Sets of numbers as sorted arrays: four bytes a member. */

export const EMPTY: Int32Array = new Int32Array(0)

/** Where a number is, or where it would have to go. */
function position (set: Int32Array, member: number): number {
  let [low, high] = [0, set.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (set[middle]! < member) low = middle + 1
    else high = middle
  }
  return low
}

export const has = (set: Int32Array, member: number): boolean => set[position(set, member)] === member

/** The set with one more. */
export function including (set: Int32Array, member: number): Int32Array {
  const at = position(set, member)
  if (set[at] === member) return set
  const larger = new Int32Array(set.length + 1)
  larger.set(set.subarray(0, at))
  larger[at] = member
  larger.set(set.subarray(at), at + 1)
  return larger
}

/** The set of some numbers, which may stand there twice. */
export function sorted (members: readonly number[]): Int32Array {
  const set = Int32Array.from(members).sort()
  return set.some((member, at) => member === set[at - 1]) ? set.filter((member, at) => member !== set[at - 1]) : set
}

/** The members of either; they have none in common. */
export function union (a: Int32Array, b: Int32Array): Int32Array {
  if (b.length === 0) return a
  const all = new Int32Array(a.length + b.length)
  all.set(a)
  all.set(b, a.length)
  return all.sort()
}

/** The members that are not in another set. */
export function without (set: Int32Array, others: Int32Array): Int32Array {
  const left = new Int32Array(set.length)
  let count = 0
  let at = 0
  for (const member of set) {
    while (at < others.length && others[at]! < member) at++
    if (others[at] !== member) left[count++] = member
  }
  return left.slice(0, count)
}
