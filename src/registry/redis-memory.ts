/**
 * A cache in Redis, which outlives the registry. The registry's own DELETE leaves a repository's keys there (tried on
 * 2.8 and 3.1): as soon as another repository uploads the blob again, that repository is told that it exists. So the keys
 * are removed directly. They are (registry/storage/cache/redis/redis.go):
 *
 *   repository::<name>::blobs            the set of digests that the repository has
 *   repository::<name>::blobs::<digest>  their media type there
 *   blobs::<digest>                      size and media type
 */
import { createClient } from '@redis/client'
import { badGateway } from '../errors.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { RegistryClient } from './client.js'
import type { Credentials, Forgotten, Memory } from './memory.js'
import { SetupError } from './port.js'

/** How long Redis may take to be reached, milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000

type Client = ReturnType<typeof connectTo>

export class RedisMemory implements Memory {
  private constructor (private readonly client: Client, private readonly registry: Pick<RegistryClient, 'ask'>) {}

  /**
   * @param url `redis://[[user]:password@]host[:port][/db]`, or `rediss://`
   * @throws SetupError when Redis cannot be reached
   */
  static async connect (url: string, registry: Pick<RegistryClient, 'ask'>, onError: (error: unknown) => void): Promise<RedisMemory> {
    const client = connectTo(url)
    let connected = false
    client.on('error', error => { if (connected) onError(error) })
    try {
      await withTimeout(client.connect())
      await client.ping()
    } catch (error) {
      client.destroy()
      throw new SetupError(`the registry caches in Redis at ${withoutPassword(url)}, which Delgate cannot reach (${(error as Error).message}), and so could not make it forget what is deleted. Set registry.redis.url to where Delgate reaches it`)
    }
    connected = true
    return new RedisMemory(client, registry)
  }

  async remembers (kind: 'blobs' | 'manifests', repository: RepositoryName, digest: Digest, credentials: Credentials): Promise<boolean> {
    return (await this.registry.ask('HEAD', `/v2/${repository}/${kind}/${digest}`, credentials)).status === 200
  }

  async forget (_kind: 'blobs' | 'manifests', repository: RepositoryName, digest: Digest): Promise<Forgotten> {
    const set = `repository::${repository}::blobs`
    await this.#ask(async () => await this.client.multi().sRem(set, digest).del(`${set}::${digest}`).exec())
    return { outcome: 'forgotten' }
  }

  async forgetEverywhere (digests: readonly Digest[]): Promise<void> {
    if (digests.length > 0) await this.#ask(async () => await this.client.del(digests.map(digest => `blobs::${digest}`)))
  }

  async close (): Promise<void> {
    this.client.destroy()
  }

  async #ask (call: () => Promise<unknown>): Promise<void> {
    try {
      await call()
    } catch {
      throw badGateway('the Redis that the registry caches in cannot be reached')
    }
  }
}

const connectTo = (url: string) => createClient({ url, disableOfflineQueue: true, socket: { connectTimeout: CONNECT_TIMEOUT_MS } })

/** The client goes on trying for ever; the first time that is too long. */
async function withTimeout (connecting: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => { timer = setTimeout(() => { reject(new Error('no answer in time')) }, CONNECT_TIMEOUT_MS) })
  await Promise.race([connecting, late]).finally(() => { clearTimeout(timer) })
}

function withoutPassword (url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//…@')
}
