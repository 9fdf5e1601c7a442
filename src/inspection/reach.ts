/** Whether the registry answers, and is the one whose files Delgate sees. */
import { readTls } from '../composition/tls.js'
import type { RegistryFacts } from '../config/registry-config.js'
import type { Settings } from '../config/schema.js'
import { CodedError } from '../errors.js'
import { ok, problem, warning, type Finding } from '../findings/finding.js'
import type { Digest } from '../oci/digest.js'
import type { RepositoryName } from '../oci/name.js'
import { RegistryClient, isRegistry } from '../registry/client.js'
import { Upstream } from '../registry/upstream.js'
import { SetupError } from '../setup-error.js'
import { TreeReader } from '../storage/read.js'

/** So many repositories are looked at for one with a layer. */
const LOOKS = 50

/** @param tree the registry's tree, where it was found */
export async function * reachFindings (settings: Settings, facts: RegistryFacts, url: string, tree: string | undefined): AsyncGenerator<Finding> {
  const base = url + facts.prefix
  const tls = await readTls(settings).catch((error: unknown) => { if (!(error instanceof SetupError)) throw error })
  const upstream = new Upstream({ ...settings.upstream, resumeSeconds: 1, tls: tls?.registry }, () => new URL(base).origin)
  try {
    const client = new RegistryClient(() => base, upstream, () => undefined)
    const { status } = await client.check({})
    if (!isRegistry({ status })) {
      yield problem('registry', `${base}/v2/ answers with status ${status}: that is not a registry`, 'set registry.url to where the registry listens')
      return
    }
    yield ok('registry', `it answers at ${base}${status === 401 ? ', and asks for credentials' : ''}`)
    if (tree !== undefined) yield await sameFiles(new TreeReader(tree), client, settings)
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    yield problem('registry', `it does not answer at ${base}/v2/`, 'start the registry, or set registry.url to where it listens')
  } finally {
    await upstream.close()
  }
}

/** The registry must have a layer that its files hold; a manifest it would only give to who accepts its type. */
async function sameFiles (reader: TreeReader, client: RegistryClient, { registry: { username, password } }: Settings): Promise<Finding> {
  const some = await someLayer(reader)
  if (some === undefined) return ok('storage', 'nothing is stored: whether these are the registry\'s files shows with the first push')
  const credentials = username === undefined ? {} : { authorization: `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}` }
  const { status } = await client.ask('HEAD', `/v2/${some.repository}/blobs/${some.digest}`, credentials)
  if (status === 200 || status === 307) return ok('storage', `the registry has what these files hold (a layer of ${some.repository})`)
  if (status === 404) return problem('storage', `these files hold a layer of ${some.repository}, but the registry does not have it`, 'set storage.root to the directory that this registry writes to; in a container, mount the same volume')
  return warning('storage', `the registry was asked for a layer of ${some.repository}, which these files hold, and answers with status ${status}`, status === 401 ? 'set registry.username and registry.password, so that this can be compared' : 'see the registry\'s log')
}

async function someLayer (reader: TreeReader): Promise<{ repository: RepositoryName, digest: Digest } | undefined> {
  for (const repository of (await reader.repositories()).slice(0, LOOKS)) {
    const [digest] = (await reader.repository(repository)).layers.keys()
    if (digest !== undefined) return { repository, digest }
  }
  return undefined
}
