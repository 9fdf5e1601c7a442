/** Delgate in front of a real registry of its own: in this process, or as a child that can be killed. */
import { join } from 'node:path'
import { Ajv } from 'ajv'
import type { Test } from 'tap'
import { createApp, type AppOptions } from '../../src/app.js'
import { settingsSchema, type Settings } from '../../src/config/schema.js'
import { writeRegistryConfig, type RegistryFiles, type RegistryOptions } from './registry.js'
import { temporaryDirectory } from './temporary.js'
import type { RegistryTool } from './tools.js'
import { wrapRegistry, type WrappedRegistry } from './wrapper.js'

/** Settings as a user would write them: any part may be left out. */
export type PartialSettings = { readonly [Key in keyof Settings]?: Settings[Key] extends object ? Partial<Settings[Key]> : Settings[Key] }

export interface GateOptions {
  readonly registry?: RegistryOptions
  readonly settings?: PartialSettings
  /** Files of an earlier gate or registry to go on with. */
  readonly files?: RegistryFiles
  /** Program that is run as the registry, when it is not the real one by itself. */
  readonly binary?: string
  readonly app?: AppOptions
}

/** A gate whose registry runs behind a script that counts and misbehaves. */
export interface WrappedGate extends Gate {
  readonly wrapper: WrappedRegistry
}

/** A running Delgate with its registry. */
export interface Gate extends RegistryFiles {
  readonly url: string
  /** Host and port, as image names have it. */
  readonly host: string
  readonly tool: RegistryTool
  close (): Promise<void>
}

const withDefaults = new Ajv({ useDefaults: true, strict: false }).compile(settingsSchema)

/** What a user would write for this registry; the times are short, so that tests are quick. */
export function writtenSettings (tool: RegistryTool, files: RegistryFiles, options: GateOptions = {}): object {
  const given = options.settings ?? {}
  return {
    ...given,
    listen: { host: '127.0.0.1', port: 0, ...given.listen },
    log: { level: 'silent', ...given.log },
    registry: { controller: 'process', config: files.config, process: { binary: options.binary ?? tool.path, stopTimeoutSeconds: 5 }, ...given.registry },
    storage: { root: files.storage, ...given.storage },
    state: { directory: join(files.directory, 'state'), reserveBytes: 4096, ...given.state },
    audit: { file: join(files.directory, 'state', 'audit.jsonl'), ...given.audit },
    collection: { quietSeconds: 0.1, maximumDelaySeconds: 2, retryMinimumSeconds: 0.2, retryMaximumSeconds: 1, ...given.collection },
    hold: { timeoutSeconds: 30, ...given.hold },
    drain: { timeoutSeconds: 10, sessionIdleSeconds: 2, transferTimeoutSeconds: 10, ...given.drain }
  }
}

function settingsFor (tool: RegistryTool, files: RegistryFiles, options: GateOptions): Settings {
  const settings = writtenSettings(tool, files, options)
  if (!withDefaults(settings)) throw new Error(`wrong settings: ${JSON.stringify(withDefaults.errors)}`)
  return settings as Settings
}

/** Starts Delgate in this process, in front of a registry with a new tree; both stop when the test ends. */
export async function startGate (t: Test, tool: RegistryTool, options: GateOptions = {}): Promise<Gate> {
  const files = options.files ?? await writeRegistryConfig(await temporaryDirectory(t), options.registry)
  const settings = settingsFor(tool, files, options)
  const app = await createApp(settings, options.app)
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => (closed ??= app.close())
  t.teardown(close)
  const url = await app.listen()
  return { ...files, url, host: new URL(url).host, tool, close }
}

/** `startGate` with the registry behind a script; see `wrapRegistry`. */
export async function startWrappedGate (t: Test, tool: RegistryTool, options: GateOptions = {}): Promise<WrappedGate> {
  const files = options.files ?? await writeRegistryConfig(await temporaryDirectory(t), options.registry)
  const wrapper = await wrapRegistry(files.directory, tool)
  return { ...await startGate(t, tool, { ...options, files, binary: wrapper.binary }), wrapper }
}
