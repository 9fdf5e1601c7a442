/** The files of the log: the current one, and the older ones beside it as `.1` (the youngest), `.2` and so on. */
import { createHash } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** How far the first line of a file is looked for. Bytes. */
const FIRST_LINE_BYTES = 64 * 1024
const BREAK = 0x0a

/** The name of the file that has been the current one `age` times ago. */
export const fileOf = (file: string, age: number): string => age === 0 ? file : `${file}.${age}`

/** Opens a file to add to it, making it and its directory where there is none; nobody else may read it. */
export async function openToAppend (path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a+', 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    await mkdir(dirname(path), { recursive: true })
    return await open(path, 'a+', 0o600)
  }
}

/** Opens a file to read it; `undefined` when there is none. */
export async function openToRead (path: string): Promise<FileHandle | undefined> {
  return await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/** Adds text to a file; it survives a power cut when this resolves. Pipes and terminals have nothing to flush (fsync(2)). */
export async function append (file: FileHandle, text: string): Promise<void> {
  await file.appendFile(text)
  await file.datasync().catch((error: NodeJS.ErrnoException) => { if (error.code !== 'EINVAL') throw error })
}

/** Whether the file ends within a line: a crash, or a full disk, cut it. */
export async function endsWithin (file: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return false
  const last = Buffer.alloc(1)
  return (await file.read(last, 0, 1, size - 1)).bytesRead === 1 && last[0] !== BREAK
}

/**
 * Makes room for a new current file: each file gets the next name, up to the first that is free, else over the oldest. A
 * crash in between leaves a name free, and the next time no file goes for that.
 */
export async function rotate (file: string, keepFiles: number): Promise<void> {
  let free = 1
  while (free < keepFiles && await exists(fileOf(file, free))) free++
  for (let to = Math.min(free, keepFiles); to > 0; to--) await rename(fileOf(file, to - 1), fileOf(file, to))
  if (keepFiles === 0) await rm(file, { force: true })
  await removeOlder(file, keepFiles)
}

/** Files that an earlier, larger `keepFiles` left. */
async function removeOlder (file: string, keepFiles: number): Promise<void> {
  const prefix = `${basename(file)}.`
  for (const name of await readdir(dirname(file))) {
    const age = name.startsWith(prefix) ? name.slice(prefix.length) : ''
    if (/^[1-9]\d{0,8}$/.test(age) && Number(age) > keepFiles) await rm(join(dirname(file), name), { force: true })
  }
}

/** What a file is known by whatever it is called: its first line; `undefined` while it has none. */
export async function identityOf (file: FileHandle): Promise<string | undefined> {
  const start = Buffer.allocUnsafe(FIRST_LINE_BYTES)
  const { bytesRead } = await file.read(start, 0, start.length, 0)
  const end = start.subarray(0, bytesRead).indexOf(BREAK)
  if (end === -1 && bytesRead < start.length) return undefined
  return createHash('sha256').update(start.subarray(0, end === -1 ? bytesRead : end)).digest('hex').slice(0, 16)
}

async function exists (path: string): Promise<boolean> {
  return await stat(path).then(() => true, (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return false
    throw error
  })
}
