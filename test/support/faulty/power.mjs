/**
 * What a power cut leaves of the state directory, at worst: of each name what it led to when its directory was last
 * flushed, and of each file the bytes that were flushed. For the registry's tree: tree-power.mjs.
 */
import fs, { lstatSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** As they are before they are made steps. */
const { rmSync, writeFileSync } = fs
/** By full path: the bytes that the name certainly leads to (`undefined`: to nothing), and those of its file now that were flushed. */
const names = new Map()
const EMPTY = Buffer.alloc(0)
const isState = place => place?.root === 'state'

function contentOf (path) {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}

/** About to be changed: what is there now was there before Delgate was, or is noted already. */
export function touch (...places) {
  for (const { full } of places.filter(isState)) {
    if (names.has(full) || lstatSync(full, { throwIfNoEntry: false })?.isDirectory() === true) continue
    const content = contentOf(full)
    names.set(full, { certain: content, flushed: content })
  }
}

export function created (place) {
  if (!isState(place)) return
  const name = names.get(place.full)
  if (name !== undefined) name.flushed ??= EMPTY
}

export function renamed (from, to) {
  if (!isState(from) || !isState(to)) return
  names.get(to.full).flushed = names.get(from.full).flushed
  names.get(from.full).flushed = undefined
}

export function removed (place) {
  if (isState(place) && names.has(place.full)) names.get(place.full).flushed = undefined
}

/** A file, or a directory and with it the names in it. */
export function flushed (place) {
  if (!isState(place)) return
  const name = names.get(place.full)
  const content = contentOf(place.full)
  if (name !== undefined && content !== undefined) {
    // Of a name that led to a file already, it is that file.
    if (name.certain !== undefined) name.certain = content
    name.flushed = content
    return
  }
  for (const [full, inside] of names) if (dirname(full) === place.full) inside.certain = inside.flushed
}

/** The power fails: what is not certain is lost. */
export function fail () {
  for (const [full, { certain }] of names) {
    if (certain === undefined) rmSync(full, { force: true })
    else writeFileSync(full, certain)
  }
}
