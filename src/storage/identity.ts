/** Which tree this is: whether something that was noted about a tree, in another run, was noted about this one. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { unlessMissing } from './contain.js'
import { REPOSITORIES } from './paths.js'

/** @returns `undefined` while there is none */
export async function identityOf (root: string): Promise<string | undefined> {
  const found = await unlessMissing(stat(join(root, REPOSITORIES)))
  return found === undefined ? undefined : JSON.stringify([root, found.dev, found.ino])
}
