/**
 * A program that Delgate runs as the registry: the real one, behind a shell script that counts the calls and, when
 * told to, misbehaves as registries do.
 */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from './temporary.js'
import type { RegistryTool } from './tools.js'

/** What can be switched on. */
export type Fault =
  /** `garbage-collect` says why and exits 1. */
  | 'collect-fails'
  /** `garbage-collect` does nothing until it is killed. */
  | 'collect-hangs'
  /** `garbage-collect` waits until this is switched off, then works. */
  | 'collect-waits'
  /** The registry waits until this is switched off, then starts. */
  | 'serve-waits'

/** What a failing collection prints last. */
export const FAILURE_OUTPUT = 'simulated failure: input/output error'

export interface WrappedRegistry {
  readonly binary: string
  /** How often it was started as a server, and as a collector. */
  calls (): Promise<{ readonly serve: number, readonly collect: number }>
  on (fault: Fault): Promise<void>
  off (fault: Fault): Promise<void>
  /** The process id of the server that was started last. */
  pid (): Promise<number>
  /** Kills the server that was started last, if it still runs. */
  kill (): Promise<void>
}

/** Writes the script into `directory`. */
export async function wrapRegistry (directory: string, tool: RegistryTool): Promise<WrappedRegistry> {
  const binary = join(directory, 'registry.sh')
  const at = (name: string) => join(directory, name)
  const quoted = (name: string) => `'${at(name)}'`
  await writeFile(binary, `#!/bin/sh
# Bounded, so that nothing waits for ever when the tests are killed.
wait_while () { i=0; while [ -e "$1" ] && [ $i -lt 2400 ]; do sleep 0.05; i=$((i + 1)); done; }
echo "$1" >> ${quoted('calls')}
case "$1" in
  garbage-collect)
    if [ -e ${quoted('collect-fails')} ]; then echo '${FAILURE_OUTPUT}' >&2; exit 1; fi
    if [ -e ${quoted('collect-hangs')} ]; then exec sleep 300; fi
    wait_while ${quoted('collect-waits')} ;;
  serve)
    wait_while ${quoted('serve-waits')}
    echo $$ > ${quoted('pid')} ;;
esac
exec '${tool.path}' "$@"
`, { mode: 0o755 })
  await writeFile(at('calls'), '')
  const pid = () => until('the registry\'s process id', async () => Number(await readFile(at('pid'), 'utf8').catch(() => '')) || undefined)
  return {
    binary,
    calls: async () => {
      const words = (await readFile(at('calls'), 'utf8')).split('\n')
      const count = (word: string) => words.filter((one) => one === word).length
      return { serve: count('serve'), collect: count('garbage-collect') }
    },
    on: (fault) => writeFile(at(fault), ''),
    off: (fault) => rm(at(fault), { force: true }),
    pid,
    kill: async () => {
      const id = await pid()
      // The number may belong to somebody else by now; the command line names this test's own directory.
      const commandLine = await readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')
      if (commandLine.includes(directory)) process.kill(id, 'SIGKILL')
    }
  }
}
