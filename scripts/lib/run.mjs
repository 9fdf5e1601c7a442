// Running programs from the scripts: node built-ins only, since nothing is installed yet.
import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's top directory. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Whether this process may install packages of the system. */
export const isRoot = process.getuid?.() === 0

/** Whether a file can be run. */
export function isProgram (path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** The first program of that name on the PATH, or in the directories given; `undefined` when there is none. */
export function findProgram (name, moreDirectories = []) {
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...moreDirectories]
  return directories.filter((directory) => directory !== '').map((directory) => join(directory, name)).find(isProgram)
}

/** Runs a program to its end with its output shown; resolves to whether it succeeded. */
export function show (command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], ...options })
    child.once('error', (error) => { say(`${command}: ${error.message}`); resolve(false) })
    child.once('exit', (code) => resolve(code === 0))
  })
}

/** Runs a program to its end and returns what it wrote; `undefined` when it failed. */
export function read (command, args, options = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 60_000, ...options })
  return status === 0 ? `${stdout}${stderr}` : undefined
}

/** Says what is going on, on standard error: standard output belongs to Delgate's log. */
export function say (text) {
  process.stderr.write(`${text}\n`)
}
