/** Delgate in front of a registry that something else runs, as an init system would: a restart stops it first. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startGate, type GateOptions, type WrappedGate } from './delgate.js'
import { request } from './http.js'
import { mustRun } from './processes.js'
import { writeRegistryConfig } from './registry.js'
import { freePort, temporaryDirectory, until } from './temporary.js'
import type { RegistryTool } from './tools.js'
import { wrapRegistry } from './wrapper.js'

export interface SupervisedGate extends WrappedGate {
  /** Has the registry started anew, as by `systemctl restart`; resolves when it answers. */
  restart (): Promise<void>
}

/** `startWrappedGate` with the controller `command`. */
export async function startSupervisedGate (t: Test, tool: RegistryTool, options: GateOptions = {}): Promise<SupervisedGate> {
  const port = await freePort()
  const files = options.files ?? await writeRegistryConfig(await temporaryDirectory(t), options.registry, port)
  const wrapper = await wrapRegistry(files.directory, tool)
  const pidFile = join(files.directory, 'supervised.pid')
  const restart = join(files.directory, 'restart')
  await writeFile(restart, `#!/bin/sh
if [ -f '${pidFile}' ]; then kill "$(cat '${pidFile}')"; while kill -0 "$(cat '${pidFile}')" 2>/dev/null; do sleep 0.02; done; fi
OTEL_TRACES_EXPORTER=none '${wrapper.binary}' serve '${files.config}' >/dev/null 2>&1 </dev/null &
echo $! > '${pidFile}'
`, { mode: 0o755 })
  t.teardown(async () => { process.kill(Number(await readFile(pidFile, 'utf8')), 'SIGKILL') })
  const start = async (): Promise<void> => {
    await mustRun(restart, [])
    // One that speaks TLS says in plain HTTP that it does.
    await until('the registry answers', () => request(`http://127.0.0.1:${port}`, 'GET', '/v2/').then(() => true, () => false))
  }
  await start()
  const url = `${options.registry?.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
  const command = { collect: [wrapper.binary, 'garbage-collect', files.config], restart: [restart] }
  const registry = { ...options.settings?.registry, controller: 'command', url, config: files.config, command } as const
  return { ...await startGate(t, tool, { ...options, files, settings: { ...options.settings, registry } }), wrapper, restart: start }
}
