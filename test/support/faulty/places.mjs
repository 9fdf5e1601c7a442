/** Where a path lies: in the registry's tree, in the state directory, or elsewhere. */
import { readlinkSync } from 'node:fs'

/** From the environment: the two roots, absolute. */
const ROOTS = { tree: process.env.FAULT_TREE, state: process.env.FAULT_STATE }
const HANDLE = /^\/proc\/self\/fd\/\d+/

/** @returns `undefined` elsewhere; `full` is the path with no handle in it */
export function placeOf (path) {
  const full = path.replace(HANDLE, handle => {
    try {
      return readlinkSync(handle)
    } catch {
      return handle
    }
  })
  for (const [root, directory] of Object.entries(ROOTS)) {
    if (full === directory || full.startsWith(`${directory}/`)) return { root, full, path: full.slice(directory.length + 1) }
  }
  return undefined
}
