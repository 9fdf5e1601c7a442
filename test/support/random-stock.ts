/** The content that random registries are made of: layers, and manifests of every kind that use them. */
import { blobOf, digestOf, type Blob } from './images.js'
import type { Chance } from './random.js'

/** A config or layer. */
export interface StockedLayer {
  readonly blob: Blob
  /** The sha512 name by which manifests list it. */
  readonly alias: string | undefined
}

export interface StockedManifest extends Blob {
  /** Digests that it lists, as it lists them. */
  readonly uses: readonly string[]
  /** Manifests that it lists. */
  readonly children: readonly StockedManifest[]
}

export interface Stock {
  readonly layers: readonly StockedLayer[]
  /** Children before the indexes that list them. */
  readonly manifests: readonly StockedManifest[]
}

const OCI_IMAGE = 'application/vnd.oci.image.manifest.v1+json'
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
const DOCKER_IMAGE = 'application/vnd.docker.distribution.manifest.v2+json'
const DOCKER_INDEX = 'application/vnd.docker.distribution.manifest.list.v2+json'
const FOREIGN_LAYER = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'

/** @param aliases whether some layers are listed by sha512, as some builders do */
export function content (chance: Chance, seed: number, aliases: boolean): Stock {
  const layers = Array.from({ length: 8 + chance.upTo(12) }, (_, at): StockedLayer => {
    const blob = blobOf(Buffer.from(`layer ${at} of registry ${seed}`))
    return { blob, alias: aliases && chance.happens(0.1) ? digestOf(blob.bytes, 'sha512') : undefined }
  })
  const manifests: StockedManifest[] = []
  for (let number = 2 + chance.upTo(6); number > 0; number--) manifests.push(image(chance, layers))
  for (let number = chance.upTo(3); number > 0; number--) manifests.push(index(chance, manifests))
  // What comes now may list, or be attached to, any of the above: nested indexes, attestations, signatures.
  for (let number = chance.upTo(3); number > 0; number--) manifests.push(index(chance, manifests, layers))
  for (let number = chance.upTo(3); number > 0; number--) manifests.push(image(chance, layers, chance.one(manifests)))
  const distinct = new Map(manifests.map(manifest => [manifest.digest, manifest]))
  return { layers, manifests: [...distinct.values()] }
}

function image (chance: Chance, stock: readonly StockedLayer[], subject?: StockedManifest): StockedManifest {
  const isDocker = subject === undefined && chance.happens(0.3)
  // OCI lets the media type be left out.
  const mediaType = isDocker ? DOCKER_IMAGE : chance.happens(0.2) ? undefined : OCI_IMAGE
  const config = chance.one(stock)
  const layers = chance.some(stock, 0.25)
  const listed = [config, ...layers].map(({ blob, alias }) => ({ digest: alias ?? blob.digest, size: blob.bytes.length }))
  const foreign = chance.happens(0.15) ? [{ mediaType: FOREIGN_LAYER, ...descriptor(blobOf(Buffer.from(`elsewhere ${chance.upTo(3)}`))), urls: ['https://example.org/layer'] }] : []
  const kind = isDocker ? 'application/vnd.docker.' : 'application/vnd.oci.image.'
  return manifestOf({
    mediaType,
    config: { mediaType: `${kind}config.v1+json`, ...listed[0]! },
    layers: [...listed.slice(1).map(one => ({ mediaType: `${kind}layer.v1.tar+gzip`, ...one })), ...foreign],
    subject: subject === undefined ? undefined : { mediaType: OCI_IMAGE, ...descriptor(subject) }
  }, [...listed, ...foreign].map(({ digest }) => digest), [])
}

/** @param blobs of which it may list some too, as build caches do */
function index (chance: Chance, manifests: readonly StockedManifest[], blobs: readonly StockedLayer[] = []): StockedManifest {
  const children = chance.some(manifests, 0.4)
  const mediaType = chance.one([OCI_INDEX, OCI_INDEX, DOCKER_INDEX, undefined])
  const layers = mediaType === OCI_INDEX && chance.happens(0.3) ? chance.some(blobs, 0.3).map(({ blob }) => blob) : []
  const platform = { os: 'linux', architecture: 'amd64' }
  return manifestOf({
    mediaType,
    manifests: [
      ...children.map(child => ({ mediaType: OCI_IMAGE, ...descriptor(child), platform })),
      ...layers.map(layer => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...descriptor(layer) }))
    ]
  }, [...children, ...layers].map(({ digest }) => digest), children)
}

const descriptor = ({ digest, bytes }: Blob): { digest: string, size: number } => ({ digest, size: bytes.length })

function manifestOf (body: object, uses: readonly string[], children: readonly StockedManifest[]): StockedManifest {
  return { ...blobOf(Buffer.from(JSON.stringify({ schemaVersion: 2, ...body }))), uses, children }
}
