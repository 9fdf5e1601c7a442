/** Something happens at a chosen moment: just before one of the file operations that some work does. */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

type Operations = Record<string, (...given: unknown[]) => unknown>

const DIRECT = ['lstatSync', 'openSync', 'opendirSync', 'readSync', 'readdirSync', 'readlinkSync', 'renameSync', 'rmdirSync', 'unlinkSync', 'mkdirSync', 'closeSync']
const POOLED = ['lstat', 'open', 'opendir', 'readdir', 'readlink', 'rename', 'rmdir', 'unlink', 'mkdir', 'realpath', 'rm', 'writeFile']

/**
 * Does the work, and something else just before its file operation of that number.
 * @returns how many operations there were
 */
export async function interpose (at: number, happens: () => void, work: () => Promise<unknown>): Promise<number> {
  const undo: Array<() => void> = []
  let count = 0
  const wrap = (on: Operations, name: string): void => {
    const original = on[name]!
    undo.push(() => { on[name] = original })
    const wrapped = (...given: unknown[]): unknown => {
      if (++count === at) withOriginals(happens)
      return original.apply(on, given)
    }
    on[name] = Object.assign(wrapped, original)
  }
  const withOriginals = (step: () => void): void => {
    const before = count
    step()
    count = before
  }
  DIRECT.forEach(name => { wrap(fs as unknown as Operations, name) })
  POOLED.forEach(name => { wrap(fs.promises as unknown as Operations, name) })
  wrap(fs.realpathSync as unknown as Operations, 'native')
  syncBuiltinESMExports()
  try {
    await work()
  } finally {
    undo.reverse().forEach(step => { step() })
    syncBuiltinESMExports()
  }
  return count
}
