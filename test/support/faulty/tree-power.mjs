/**
 * What a power cut leaves of the registry's tree, at worst: all that was changed since something of it was flushed last has
 * never happened. A file system that keeps a journal brings changes to the disk in their order, so a flush of one directory
 * is one of all that came before.
 */
import fs, { lstatSync, readFileSync } from 'node:fs'

/** As they are before they are made steps. */
const { mkdirSync, renameSync, rmSync, rmdirSync, utimesSync, writeFileSync } = fs
/** What undoes each change since then, the oldest first. */
let undo = []
const isTree = place => place?.root === 'tree'

/** About to be changed. @param name of the call */
export function touch (name, ...places) {
  const [first, second] = places.filter(isTree)
  if (first === undefined) return
  if (name === 'rename' && second !== undefined) {
    const before = restoring(second.full)
    undo.push(() => {
      renameSync(second.full, first.full)
      before()
    })
  } else {
    undo.push(restoring((second ?? first).full))
  }
}

/** Makes a path again what it is now. */
function restoring (path) {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return () => { if (lstatSync(path).isDirectory()) rmdirSync(path); else rmSync(path) }
  if (stats.isDirectory()) return () => { mkdirSync(path) }
  const content = readFileSync(path)
  return () => {
    writeFileSync(path, content)
    // It was not written since, and must not look as if it had been pushed again.
    utimesSync(path, stats.atime, stats.mtime)
  }
}

export function flushed (place) { if (isTree(place)) undo = [] }

/** What others have changed meanwhile came later: all that was changed before is on the disk. */
export function begin () { undo = [] }

/** The power fails. What others have changed since then stays. */
export function fail () {
  for (const one of undo.reverse()) {
    try {
      one()
    } catch {
      // Somebody else, such as the registry, has put something there or taken it away.
    }
  }
}
