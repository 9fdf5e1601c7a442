/**
 * What the registry remembers of content, and making it forget: the freshness `evict`. The registry's own DELETE clears
 * the entry of one repository, also when the link is gone already (tried on 2.8 and 3.1; 3.1 then says 500, and has
 * forgotten all the same). What a cache in the registry's process knows beyond repositories stays until a restart; it
 * can only deceive a manifest PUT, which the gate looks after.
 */
import { unavailable } from '../errors.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import type { Answer, Credentials, RegistryClient } from './client.js'

export type { Credentials } from './client.js'

export type Forgotten =
  | { readonly outcome: 'forgotten' }
  /** The registry does not let anybody, or not this caller, delete. */
  | { readonly outcome: 'refused', readonly reason: string }

/** A port: the registry's cache of descriptors. */
export interface Memory {
  /** Whether the registry says that this exists. */
  remembers (kind: 'blobs' | 'manifests', repository: RepositoryName, digest: Digest, credentials: Credentials): Promise<boolean>
  /**
   * Makes it forget one thing in one repository. Callers see to it that nothing is linked there under this digest, since
   * the registry would remove the link too.
   * @throws CodedError when the registry cannot be asked, or does not do it
   */
  forget (kind: 'blobs' | 'manifests', repository: RepositoryName, digest: Digest, credentials: Credentials): Promise<Forgotten>
  /** Makes it forget blobs that are gone, wherever it knows of them beyond repositories; nothing where that cannot be done. */
  forgetEverywhere (digests: readonly Digest[]): Promise<void>
  close (): Promise<void>
}

const FORGOTTEN: Forgotten = { outcome: 'forgotten' }

/** A cache in the registry's own process. */
export class ProcessMemory implements Memory {
  /** @param own Delgate's own credentials, for where the caller's do not do */
  constructor (private readonly registry: Pick<RegistryClient, 'ask'>, private readonly own: Credentials | undefined) {}

  async remembers (kind: 'blobs' | 'manifests', repository: RepositoryName, digest: Digest, credentials: Credentials): Promise<boolean> {
    return (await this.registry.ask('HEAD', `/v2/${repository}/${kind}/${digest}`, credentials)).status === 200
  }

  async forget (kind: 'blobs' | 'manifests', repository: RepositoryName, digest: Digest, credentials: Credentials): Promise<Forgotten> {
    let answer = await this.#delete(kind, repository, digest, credentials)
    let used = credentials
    if ([401, 403].includes(answer.status) && this.own !== undefined) answer = await this.#delete(kind, repository, digest, used = this.own)
    switch (answer.status) {
      case 202: case 404: return FORGOTTEN
      case 401: case 403: return { outcome: 'refused', reason: `the registry does not let the caller delete in ${repository} (${answer.status})` }
      case 405: return { outcome: 'refused', reason: 'the registry has deletes disabled' }
    }
    if (answer.status === 500 && !await this.remembers(kind, repository, digest, used)) return FORGOTTEN
    throw unavailable(`the registry did not forget ${digest} in ${repository} (status ${answer.status}); it will be asked again`)
  }

  async forgetEverywhere (): Promise<void> {}
  async close (): Promise<void> {}

  async #delete (kind: 'blobs' | 'manifests', repository: RepositoryName, digest: Digest, credentials: Credentials): Promise<Answer> {
    return await this.registry.ask('DELETE', `/v2/${repository}/${kind}/${digest}`, credentials)
  }
}
