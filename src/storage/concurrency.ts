/** How many files are open at once while the tree is read. */
const OPEN_AT_ONCE = 16

/** Runs `work` for each item, a bounded number at a time; the first failure is thrown. */
export async function each<T> (items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length) await work(items[next++]!)
  }
  await Promise.all(Array.from({ length: Math.min(OPEN_AT_ONCE, items.length) }, worker))
}
