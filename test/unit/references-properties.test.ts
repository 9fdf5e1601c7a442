/** On trees made at random the index knows what a reading of the whole tree finds, whatever happens behind its back. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ReferenceIndex } from '../../src/references/index.js'
import { PacedDisk } from '../../src/storage/paced.js'
import { TreeReader } from '../../src/storage/read.js'
import { scanReferences, type References } from '../../src/storage/scan.js'
import { Chance } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'
import { ALL, RandomTree } from './references-tree.js'

const SEEDS = 30
const ROUNDS = 6
/** In this round the index is saved, and the next one is loaded from the file. */
const RESTART = 3

/** As on a network file system: everything goes through the thread pool. */
class PooledDisk extends PacedDisk {
  override async begin (): Promise<void> {}
}

const pathsOf = (damages: readonly { readonly path: string }[]): string[] => [...new Set(damages.map(({ path }) => path))].sort()

/**
 * @param isExact where links hold what they should not, the index counts more as used than the scan
 * @returns what is different
 */
function compare (index: ReferenceIndex, truth: References, isExact: boolean): object | undefined {
  const found: Record<string, object> = {}
  for (const digest of ALL) {
    const users = index.users(digest).sort()
    const wanted = [...truth.users.get(digest) ?? []].sort()
    const isRight = isExact ? users.join() === wanted.join() : wanted.every(user => users.includes(user))
    // What cannot be read may use anything.
    const isUsed = users.length > 0 || (truth.blocking.length > 0 && index.isUsed(digest))
    if (!isRight || index.isUsed(digest) !== isUsed) found[digest] = { users, wanted, used: index.isUsed(digest) }
  }
  const blocking = [pathsOf(index.blocking), pathsOf(truth.blocking)]
  if (blocking[0]!.join() !== blocking[1]!.join()) found.blocking = blocking
  const lopsided = [[...index.lopsided].sort(), [...truth.lopsided].sort()]
  if (lopsided[0]!.join() !== lopsided[1]!.join()) found.lopsided = lopsided
  return Object.keys(found).length === 0 ? undefined : found
}

async function follow (t: Test, seed: number, damage: boolean): Promise<{ readonly blocked: number, readonly used: number }> {
  const seen = { blocked: 0, used: 0 }
  const tree = new RandomTree(await temporaryDirectory(t), new Chance(seed), damage)
  const reader = new TreeReader(tree.root)
  // Every other time each listing is trusted at once, so that only what changed is listed again.
  const isTrusting = seed % 2 === 0
  const start = (): ReferenceIndex => new ReferenceIndex(reader, {
    disk: seed % 3 === 0 ? new PooledDisk() : new PacedDisk(),
    file: join(tree.root, 'index'),
    ...(isTrusting ? { now: () => Date.now() + 3_600_000 } : {})
  })
  let index = start()
  for (let round = 0; round < ROUNDS; round++) {
    for (let count = round === 0 ? 40 : tree.chance.upTo(5); count > 0; count--) tree.change()
    if (isTrusting) await tree.tick()
    if (round === RESTART) {
      await index.save(join(tree.root, 'index'))
      index = start()
      tree.change()
    }
    await (round === 0 || round === RESTART ? index.build() : index.verify())
    if (isTrusting) await tree.tick()
    const truth = await scanReferences(reader)
    const different = compare(index, truth, !damage)
    seen.blocked += truth.blocking.length > 0 ? 1 : 0
    seen.used += ALL.filter(digest => index.isUsed(digest)).length
    if (different !== undefined) t.fail(`seed ${seed}, round ${round}`, { different })
    if (different !== undefined) break
  }
  return seen
}

for (const damage of [false, true]) {
  t.test(damage ? 'with damage, which comes and goes' : 'without damage', async t => {
    let [blocked, used] = [0, 0]
    for (let seed = 1; seed <= SEEDS; seed++) {
      const seen = await follow(t, seed, damage)
      blocked += seen.blocked
      used += seen.used
    }
    t.ok(used > SEEDS * ROUNDS * 5, `${used} digests were used`)
    t.ok(damage ? blocked > SEEDS : blocked === 0, `${blocked} times something could hide a reference`)
  })
}
