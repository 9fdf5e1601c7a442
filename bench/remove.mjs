import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'

/** Removes directories of millions of files: rm is several times faster than Node's own, which takes what it leaves. */
export function removeTree (directory) {
  spawnSync('rm', ['-rf', directory])
  rmSync(directory, { recursive: true, force: true })
}
