/** How many files are open at once while the tree is read, or cut. */
const OPEN_AT_ONCE = 16

/**
 * Runs `work` for each item, a bounded number at a time. After a failure nothing more is begun, and it is thrown once
 * nothing runs any more.
 */
export async function each<T> (items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const failures: unknown[] = []
  const worker = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) await work(items[next++]!).catch((error: unknown) => { failures.push(error) })
  }
  await Promise.all(Array.from({ length: Math.min(OPEN_AT_ONCE, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
}
