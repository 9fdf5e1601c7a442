/** A real Redis, for registries that cache in it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createClient } from '@redis/client'
import type { Test } from 'tap'
import { stop } from './processes.js'
import { freePort, temporaryDirectory, until } from './temporary.js'
import { tool } from './tools.js'

export interface Redis {
  readonly port: number
  /** Every key that names one of these digests, and every set that holds one. */
  naming (digests: readonly string[]): Promise<string[]>
  stop (): Promise<void>
  start (): Promise<void>
}

/** Starts Redis on a free port, with nothing on the disk; it ends with the test. */
export async function startRedis (t: Test): Promise<Redis> {
  const port = await freePort()
  const directory = await temporaryDirectory(t)
  let child = await launch(t, port, directory)
  const url = `redis://127.0.0.1:${port}`
  return {
    port,
    naming: async digests => await withClient(url, async client => {
      const found: string[] = []
      for (const key of (await client.keys('*')).sort()) {
        if (digests.some(digest => key.includes(digest))) found.push(key)
        if (await client.type(key) === 'set') found.push(...(await client.sMembers(key)).filter(member => digests.includes(member)).map(member => `${key} ∋ ${member}`))
      }
      return found
    }),
    stop: async () => { await stop(child) },
    start: async () => { child = await launch(t, port, directory) }
  }
}

async function launch (t: Test, port: number, directory: string): Promise<ReturnType<typeof spawn>> {
  const child = spawn(tool('redis-server').path, ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no'], { stdio: 'ignore' })
  t.teardown(async () => { await stop(child) })
  await once(child, 'spawn')
  await until('Redis answers', async () => {
    if (child.exitCode !== null) throw new Error(`Redis ended with ${child.exitCode}`)
    return await withClient(`redis://127.0.0.1:${port}`, async client => await client.ping()).then(() => true, () => false)
  })
  return child
}

type Client = ReturnType<typeof connectTo>
const connectTo = (url: string) => createClient({ url, disableOfflineQueue: true, socket: { reconnectStrategy: false } })

async function withClient<T> (url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = connectTo(url)
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    client.destroy()
  }
}
