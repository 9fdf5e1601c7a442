/** What faults are tried on: a registry with a stock in it, and the Delgate before it that is made to fail. */
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { pull, push } from '../client.js'
import type { PartialSettings } from '../delgate.js'
import { must } from '../fuzz.js'
import { json, request } from '../http.js'
import type { Pair } from '../pairs.js'
import { startRegistry, writeRegistryConfig, type BareRegistry } from '../registry.js'
import { freePort, memoryDirectory, until } from '../temporary.js'
import type { RegistryTool } from '../tools.js'
import { FaultyGate } from './gate.js'
import { RETENTION_RULES, type Placement, type Stock } from './stock.js'
import { endStrays } from './strays.js'

const TIMES = { drain: { timeoutSeconds: 10, sessionIdleSeconds: 0.2, pullIdleSeconds: 0.2, transferTimeoutSeconds: 5 }, hold: { timeoutSeconds: 20 } } as const

export class Ground {
  private constructor (readonly gate: FaultyGate, /** Whether Delgate runs the registry. */ readonly isManaged: boolean) {}

  /** Pushes the stock. Everything ends with the test. */
  static async open (t: Test, tool: RegistryTool, pair: Pair, { placements }: Stock, more: PartialSettings = {}): Promise<Ground> {
    const directory = await memoryDirectory(t)
    const isManaged = pair.name !== 'online+evict'
    const files = isManaged ? await writeRegistryConfig(directory) : await startRegistry(t, tool, {}, { directory })
    const registry = isManaged ? undefined : { controller: 'none', url: (files as BareRegistry).url, config: files.config } as const
    const settings = { ...TIMES, retention: { rules: RETENTION_RULES }, ...more, collection: pair.collection, ...(registry === undefined ? {} : { registry }) }
    const gate = new FaultyGate({ directory, storage: files.storage, config: files.config, tool, settings, port: await freePort() })
    const ground = new Ground(gate, isManaged)
    t.teardown(async () => { await ground.#kill() })
    await ground.start()
    for (const { repository, references, content } of placements) await push(gate.url, repository, references, content)
    for (const placement of placements) await pullAll(gate.url, placement)
    await ground.quiet()
    await cp(files.storage, join(directory, 'template'), { recursive: true, preserveTimestamps: true })
    return ground
  }

  async start (): Promise<void> {
    must(await this.gate.start(), `Delgate does not start: ${this.gate.output.slice(-3000)}`)
  }

  /** Nobody relies on anything any more. */
  async quiet (): Promise<void> {
    await until('pushes and pulls are over', async () => {
      const { traffic } = json<{ traffic: { pushes: number, pulls: number } }>(await request(this.gate.url, 'GET', '/delgate/v1/status'))
      return traffic.pushes + traffic.pulls === 0
    })
  }

  /** Begins anew with the stock as it was pushed, after something was lost. */
  async reset (): Promise<void> {
    const { directory, storage } = this.gate.options
    await this.#kill()
    await rm(join(directory, 'state'), { recursive: true, force: true })
    await rm(join(storage, 'docker'), { recursive: true, force: true })
    await cp(join(directory, 'template'), storage, { recursive: true, preserveTimestamps: true })
    await this.start()
  }

  async #kill (): Promise<void> {
    await this.gate.stop('SIGKILL')
    if (this.isManaged) await endStrays(this.gate.options.config)
  }
}

/** Pulls what lies under all references, byte for byte. */
export async function pullAll (url: string, { repository, references, content }: Placement): Promise<void> {
  for (const reference of references) await pull(url, repository, reference, content)
}
