/** Registries and collectors that a killed Delgate has left, found by their configuration file, which is a test's own. */
import { readFile, readdir } from 'node:fs/promises'

/** Numbers of the processes that run on a configuration file, of those that do one thing: `serve`, `garbage-collect`. */
async function processesOf (config: string, verb?: string): Promise<number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const words = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).split('\0')
    if (words.includes(config) && (verb === undefined || words.includes(verb))) found.push(Number(name))
  }
  return found
}

/** How many registries serve. */
export const serversOf = async (config: string): Promise<number> => (await processesOf(config, 'serve')).length

/** Kills them all. */
export async function endStrays (config: string): Promise<void> {
  for (const pid of await processesOf(config)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
}
