/** Delgate as users run it: a process of its own, from the build. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import { writtenSettings, type GateOptions } from './delgate.js'
import { request } from './http.js'
import { run, stop, type Ended } from './processes.js'
import { writeRegistryConfig, type RegistryFiles } from './registry.js'
import { freePort, temporaryDirectory, until } from './temporary.js'
import type { RegistryTool } from './tools.js'

const MAIN = resolve('dist/main.js')

function main (): string {
  if (!existsSync(MAIN)) throw new Error('dist/main.js is missing: npm run build')
  return MAIN
}

/** The environment without settings of whoever runs the tests. */
function environment (): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:DELGATE_|REGISTRY_|NODE_OPTIONS|TAP|TS_NODE)/.test(name)))
}

export interface GateProcess extends RegistryFiles {
  readonly url: string
  readonly tool: RegistryTool
  readonly child: ChildProcess
  /** What it wrote so far. */
  output (): string
  /** Memory that it has in use now: resident set, bytes. */
  memory (): Promise<number>
  stop (signal?: NodeJS.Signals): Promise<void>
}

/** Starts `dist/main.js` and waits until it is ready. */
export async function startGateProcess (t: Test, tool: RegistryTool, options: GateOptions = {}): Promise<GateProcess> {
  const files = options.files ?? await writeRegistryConfig(await temporaryDirectory(t), options.registry)
  const port = await freePort()
  const settings = join(files.directory, 'delgate.yml')
  await writeFile(settings, JSON.stringify({ ...writtenSettings(tool, files, options), listen: { host: '127.0.0.1', port }, log: { level: 'info' } }))
  const child = spawn(process.execPath, [main(), '--config', settings], { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] })
  const output: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk))
  t.teardown(() => stop(child, 'SIGTERM', 15_000))
  const url = `http://127.0.0.1:${port}`
  const said = () => Buffer.concat(output).toString()
  await until('Delgate is ready', async () => {
    if (child.exitCode !== null) throw new Error(`Delgate ended with ${child.exitCode}: ${said()}`)
    return await request(url, 'GET', '/readyz', { timeout: 2_000 }).then(({ status }) => status === 200, () => false)
  })
  return { ...files, url, tool, child, output: said, memory: () => residentBytes(child), stop: (signal = 'SIGTERM') => stop(child, signal, 15_000) }
}

async function residentBytes ({ pid }: ChildProcess): Promise<number> {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}

/** Runs Delgate with a configuration file that it should refuse; when it does not, it is ended in time, with its registry. */
export async function runDelgate (directory: string, settings: object | string, timeout = 60_000): Promise<Ended> {
  const file = join(directory, 'refused.yml')
  await writeFile(file, typeof settings === 'string' ? settings : JSON.stringify(settings))
  const { NODE_OPTIONS: _, ...env } = environment()
  return run(process.execPath, [main(), '--config', file], { env: { ...env as Record<string, string>, NODE_OPTIONS: '' }, cwd: directory, timeout, killSignal: 'SIGTERM' })
}
