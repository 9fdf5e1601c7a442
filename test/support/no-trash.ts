/** A trash that keeps nothing. */
import type { Keeper } from '../../src/trash/trash.js'

export const NO_TRASH: Keeper = {
  begin: async () => undefined,
  needed: () => [],
  keep: async () => {},
  settle: async (_digest, extent) => extent
}
