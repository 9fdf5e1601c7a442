/**
 * The file operations of `paced.ts`, each in two ways: directly, and through the thread pool. Symbolic links in the last
 * place are not followed, and nothing is read through one that has taken the place of a directory on the way: see `opened.ts`.
 */
import { lstat, lstatSync, read, readSync, type Stats } from 'node:fs'
import { promisify } from 'node:util'
import { codeOf, isMissing, unlessMissing } from './contain.js'
import { FILE, withOpen, withOpenPooled } from './opened.js'
import { stampOf, type Stamp } from './stamp.js'

/** Enough for nearly every link and manifest. Bytes. */
const USUAL_BYTES = 32 * 1024

const pooled = { read: promisify(read), lstat: promisify(lstat) as (path: string) => Promise<Stats> }
const scratch = Buffer.allocUnsafeSlow(USUAL_BYTES)

export type Found = { readonly kind: 'directory', readonly stamp: Stamp } | { readonly kind: 'missing' | 'symbolic link' | 'other' }
export type Unread = 'missing' | 'irregular' | 'large'
/** Takes the bytes of a file, which are its own only until it returns. */
export type Parse<T> = (bytes: Buffer) => T

export function statDirectly (path: string): Found {
  try {
    return foundOf(lstatSync(path, { throwIfNoEntry: false }))
  } catch (error) {
    if (isMissing(error)) return { kind: 'missing' }
    throw error
  }
}

export async function statPooled (path: string): Promise<Found> {
  return foundOf(await unlessMissing(pooled.lstat(path)))
}

/** @param maximum what is larger is not read; bytes */
export function readDirectly<T> (path: string, maximum: number, parse: Parse<T>): T | Unread {
  try {
    return withOpen(path, FILE, file => {
      let buffer = scratch
      let size = readSync(file, buffer, 0, buffer.length, 0)
      if (size === buffer.length) size = readSync(file, buffer = Buffer.allocUnsafe(maximum + 1), 0, maximum + 1, 0)
      return size > maximum ? 'large' : parse(buffer.subarray(0, size))
    })
  } catch (error) {
    return unread(error)
  }
}

/** @param maximum what is larger is not read; bytes */
export async function readPooled<T> (path: string, maximum: number, parse: Parse<T>): Promise<T | Unread> {
  try {
    return await withOpenPooled(path, FILE, async file => {
      let buffer = Buffer.allocUnsafe(Math.min(USUAL_BYTES, maximum + 1))
      let { bytesRead } = await pooled.read(file, buffer, 0, buffer.length, 0)
      if (bytesRead === buffer.length && bytesRead <= maximum) ({ bytesRead } = await pooled.read(file, buffer = Buffer.allocUnsafe(maximum + 1), 0, maximum + 1, 0))
      return bytesRead > maximum ? 'large' : parse(buffer.subarray(0, bytesRead))
    })
  } catch (error) {
    return unread(error)
  }
}

function unread (error: unknown): Unread {
  if (isMissing(error)) return 'missing'
  if (['ELOOP', 'EISDIR', 'ENXIO', 'EAGAIN'].includes(codeOf(error))) return 'irregular'
  throw error
}

function foundOf (stats: Stats | undefined): Found {
  if (stats === undefined) return { kind: 'missing' }
  if (stats.isDirectory()) return { kind: 'directory', stamp: stampOf(stats) }
  return { kind: stats.isSymbolicLink() ? 'symbolic link' : 'other' }
}
