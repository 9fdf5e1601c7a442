/** The controller that the settings ask for. What only one of them needs is loaded with that one alone. */
import type { Settings } from '../config/schema.js'
import { CommandController } from './command.js'
import { NobodyController } from './nobody.js'
import { SetupError, type ControllerLog, type RegistryController } from './port.js'
import { ProcessController } from './process.js'

/** @throws SetupError when a setting is missing that the controller needs */
export async function createController (settings: Settings, environment: NodeJS.ProcessEnv, log: ControllerLog): Promise<RegistryController> {
  const { registry, storage, state } = settings
  switch (registry.controller) {
    case 'docker': {
      const { DockerController } = await import('./docker.js')
      return new DockerController({ url: needed(registry.url, 'registry.url'), docker: registry.docker, stopTimeoutSeconds: registry.docker.stopTimeoutSeconds, storageRoot: storage.root }, log)
    }
    case 'command': return new CommandController({
      url: needed(registry.url, 'registry.url'),
      collect: needed(registry.command.collect, 'registry.command.collect'),
      restart: needed(registry.command.restart, 'registry.command.restart'),
      config: registry.config,
      stateDirectory: state.directory,
      environment
    }, log)
    case 'none': return new NobodyController({ url: needed(registry.url, 'registry.url'), config: registry.config, environment })
    case 'process': return new ProcessController({
      binary: registry.process.binary,
      config: registry.config,
      storageRoot: storage.root ?? '',
      stateDirectory: state.directory,
      stopTimeoutSeconds: registry.process.stopTimeoutSeconds,
      readyTimeoutSeconds: registry.readyTimeoutSeconds,
      environment
    }, log)
  }
}

function needed<T> (value: T | undefined, key: string): T {
  if (value === undefined) throw new SetupError(`${key} is missing: the controller needs it`)
  return value
}
