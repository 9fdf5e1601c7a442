import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'

/** What the operating system says of a process that has not ended. */
interface ProcessEntry {
  /** Number of its process group. */
  readonly group: number
  /** When it started, comparable only. */
  readonly started: string
}

/**
 * When a process started, comparable only: tells it apart from a later one that got the same number.
 * @returns `undefined` when it has ended, even when nobody has noticed that yet (a zombie).
 */
export function startOf (pid: number): string | undefined {
  if (process.platform === 'linux') return readEntry(pid)?.started
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined
  } catch {
    return undefined
  }
}

/** Whether any process of a group has not ended. In a container without an init, zombies of a group stay for ever. */
export function isGroupAlive (group: number): boolean {
  try {
    process.kill(-group, 0)
  } catch {
    return false
  }
  if (process.platform !== 'linux') return true
  return readdirSync('/proc').some((name) => /^\d+$/.test(name) && readEntry(Number(name))?.group === group)
}

/** Processes that were started with a variable in their environment, as far as this user may see that. Linux only. */
export function processesWith (variable: string): Array<{ readonly pid: number, readonly value: string }> {
  if (process.platform !== 'linux') return []
  const prefix = `${variable}=`
  return readdirSync('/proc').filter(name => /^\d+$/.test(name)).flatMap(name => {
    try {
      const found = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').find(one => one.startsWith(prefix))
      return found === undefined ? [] : [{ pid: Number(name), value: found.slice(prefix.length) }]
    } catch {
      return [] // it has ended, or is somebody else's
    }
  })
}

/** proc(5), /proc/pid/stat. The name, field 2, may hold spaces and parentheses. */
function readEntry (pid: number): ProcessEntry | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // from field 3, the state, on
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return { group: Number(fields[2]), started: `${bootId()} ${fields[19]}` } // fields 5 and 22, ticks since boot
  } catch {
    return undefined
  }
}

let cachedBootId: string | undefined

function bootId (): string {
  cachedBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return cachedBootId
}
