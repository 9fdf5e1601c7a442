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

/** How long Redis may take to be reached, and to answer: one that is stopped accepts connections, and says nothing. Milliseconds. */
const TIMEOUT_MS = 5_000

type Client = ReturnType<typeof clientFor>

export class RedisMemory implements Memory {
  #client: Client | undefined
  #connecting: Promise<Client> | undefined
  #closed = false

  private constructor (private readonly url: string, private readonly registry: Pick<RegistryClient, 'ask'>, private readonly onError: (error: unknown) => void, private readonly timeoutMs: number) {}

  /**
   * @param url `redis://[[user]:password@]host[:port][/db]`, or `rediss://`
   * @param timeoutMs how long Redis may take, milliseconds
   * @throws SetupError when Redis cannot be reached
   */
  static async connect (url: string, registry: Pick<RegistryClient, 'ask'>, onError: (error: unknown) => void, timeoutMs = TIMEOUT_MS): Promise<RedisMemory> {
    const memory = new RedisMemory(url, registry, onError, timeoutMs)
    try {
      await memory.#connected()
    } catch (error) {
      throw new SetupError(`the registry caches in Redis at ${withoutPassword(url)}, which Delgate cannot reach (${(error as Error).message}), and so could not make it forget what is deleted. Set registry.redis.url to where Delgate reaches it`)
    }
    return memory
  }

  async remembers (kind: 'blobs' | 'manifests', repository: RepositoryName, digest: Digest, credentials: Credentials): Promise<boolean> {
    return (await this.registry.ask('HEAD', `/v2/${repository}/${kind}/${digest}`, credentials)).status === 200
  }

  async forget (_kind: 'blobs' | 'manifests', repository: RepositoryName, digest: Digest): Promise<Forgotten> {
    const set = `repository::${repository}::blobs`
    await this.#ask(async client => await client.multi().sRem(set, digest).del(`${set}::${digest}`).exec())
    return { outcome: 'forgotten' }
  }

  async forgetEverywhere (digests: readonly Digest[]): Promise<void> {
    if (digests.length > 0) await this.#ask(async client => await client.del(digests.map(digest => `blobs::${digest}`)))
  }

  /** What still waits for Redis fails. */
  async close (): Promise<void> {
    this.#closed = true
    this.#client?.destroy()
  }

  async #ask (call: (client: Client) => Promise<unknown>): Promise<void> {
    try {
      const client = await this.#connected()
      await this.#inTime(client, async () => await call(client))
    } catch {
      throw badGateway('the Redis that the registry caches in cannot be reached, or does not answer')
    }
  }

  /** The connection, made anew where it is broken: the client itself would wait for ever for a Redis that greets nobody. */
  async #connected (): Promise<Client> {
    if (this.#client?.isReady === true) return this.#client
    return await (this.#connecting ??= this.#connect().finally(() => { this.#connecting = undefined }))
  }

  async #connect (): Promise<Client> {
    if (this.#closed) throw new Error('it is being closed')
    const client = this.#client = clientFor(this.url, this.timeoutMs)
    let connected = false
    client.on('error', error => { if (connected) this.onError(error) })
    try {
      await this.#inTime(client, async () => {
        await client.connect()
        await client.ping()
      })
    } catch (error) {
      client.destroy()
      throw error
    }
    connected = true
    return client
  }

  /** What comes too late breaks the connection off: whatever else waits for it fails, too. */
  async #inTime (client: Client, work: () => Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(new Error('no answer in time'))
        client.destroy()
      }, this.timeoutMs)
    })
    await Promise.race([work(), late]).finally(() => { clearTimeout(timer) })
  }
}

const clientFor = (url: string, connectTimeout: number) => createClient({ url, disableOfflineQueue: true, socket: { connectTimeout, reconnectStrategy: false } })

/** A password may contain an @ that is not encoded, and then the last one counts. */
function withoutPassword (url: string): string {
  return url.replace(/\/\/.*@/s, '//…@')
}
