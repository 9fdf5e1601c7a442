/** What is known of the registry before it is talked to, as a start would find it, but with nothing started or made. */
import type { Settings } from '../config/schema.js'
import { ok, problem, type Finding } from '../findings/finding.js'
import type { RegistrySource } from '../registry/port.js'
import { findBinary, findProgram, generatedConfig, readConfig } from '../registry/process-setup.js'
import { createController } from '../registry/select.js'

export interface Source {
  /** `url`: where it is reached; `undefined` where Delgate would start it. */
  readonly source: RegistrySource & { readonly url: string | undefined }
  readonly findings: readonly Finding[]
}

const SILENT = { info: () => {}, warn: () => {}, error: () => {} }

/** @throws SetupError that says what is wrong, and what to do */
export async function sourceOf (settings: Settings): Promise<Source> {
  const { registry, storage } = settings
  if (registry.controller === 'process') {
    const binary = findBinary(registry.process.binary, process.env)
    const configText = registry.config === undefined ? generatedConfig(storage.root ?? '') : readConfig(registry.config)
    return { source: { configText, configFrom: registry.config ?? 'the generated configuration', environment: process.env, url: undefined }, findings: [ok('registry', `Delgate will run ${binary}`)] }
  }
  const controller = await createController(settings, process.env, SILENT)
  if (registry.controller === 'command') {
    const commands = [['collect', registry.command.collect], ['restart', registry.command.restart]] as const
    const missing = commands.filter(([, argv]) => findProgram(argv?.[0] ?? '', process.env) === undefined)
    const configText = registry.config === undefined ? undefined : readConfig(registry.config)
    return {
      source: { configText, configFrom: registry.config, environment: process.env, url: controller.url() },
      findings: missing.length === 0 ? [ok('registry', 'the commands that restart it and collect are there')] : missing.map(([name, argv]) => problem('registry', `registry.command.${name} names ${argv?.[0]}, which is not a program that can be run`))
    }
  }
  // These two only look: at the container, or at a file.
  const source = await controller.start()
  return { source: { ...source, url: controller.url() }, findings: [ok('registry', registry.controller === 'docker' ? `its container runs, and is a registry (${source.configFrom})` : 'Delgate has no right over it')] }
}
