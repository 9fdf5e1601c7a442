/**
 * Generated images: the same seed gives the same bytes. Layers are real gzipped tar files, so that every client takes
 * them. Nothing here talks to a registry.
 */
import { createCipheriv, createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'

/** Content and the digest under which a registry has it. */
export interface Blob {
  readonly digest: string
  readonly bytes: Buffer
}

/** A layer, with the digest of the tar file inside. */
export interface Layer extends Blob {
  readonly diffId: string
}

/** A manifest: image or index. */
export interface Manifest extends Blob {
  readonly mediaType: string
}

/** An image manifest with everything that it refers to. */
export interface Image extends Manifest {
  readonly kind: 'image'
  readonly config: Blob
  readonly layers: readonly Blob[]
}

/** An index with everything that it lists. */
export interface Index extends Manifest {
  readonly kind: 'index'
  readonly children: readonly Image[]
}

export type Content = Image | Index

const OCI = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  index: 'application/vnd.oci.image.index.v1+json'
} as const
const DOCKER = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  index: 'application/vnd.docker.distribution.manifest.list.v2+json'
} as const

/** The formats of images: OCI, and Docker's schema 2. */
export type Format = 'oci' | 'docker'
const typesOf = (format: Format) => format === 'oci' ? OCI : DOCKER

/** What a client of today accepts. */
export const ACCEPT_ALL = [OCI.index, OCI.manifest, DOCKER.index, DOCKER.manifest].join(', ')
/** What a client accepts that knows nothing but single images of Docker's schema 2. */
export const ACCEPT_SCHEMA2 = DOCKER.manifest
/** The media type of an OCI index. */
export const OCI_INDEX_TYPE = OCI.index

/** A digest of some bytes. */
export function digestOf (bytes: Buffer | string, algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

/** Content under its digest. */
export function blobOf (bytes: Buffer, algorithm = 'sha256'): Blob {
  return { digest: digestOf(bytes, algorithm), bytes }
}

/** Bytes that no compression makes smaller, the same for the same seed. */
export function noise (seed: string, size: number): Buffer {
  const key = createHash('sha256').update(seed).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size))
}

/** A layer with one file of `size` bytes. */
export async function layer (seed: string, size = 4_096): Promise<Layer> {
  const archive = pack()
  archive.entry({ name: `${createHash('sha256').update(seed).digest('hex').slice(0, 16)}.bin`, mtime: new Date(0) }, noise(seed, size))
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive) chunks.push(chunk as Buffer)
  const tar = Buffer.concat(chunks)
  return { ...blobOf(gzipSync(tar, { level: 1 })), diffId: digestOf(tar) }
}

export interface ImageOptions {
  readonly format?: Format
  /** Layers to use; default: two of its own. */
  readonly layers?: readonly Layer[]
  readonly architecture?: string
  /** OCI 1.1: the manifest that this one is attached to. */
  readonly subject?: Manifest
  readonly artifactType?: string
}

/** An image; what is not given comes from the seed. */
export async function image (seed: string, options: ImageOptions = {}): Promise<Image> {
  const types = typesOf(options.format ?? 'oci')
  const layers = options.layers ?? [await layer(`${seed}/1`), await layer(`${seed}/2`, 10_000)]
  const config = blobOf(Buffer.from(JSON.stringify({
    architecture: options.architecture ?? 'amd64',
    os: 'linux',
    config: { Labels: { seed } },
    rootfs: { type: 'layers', diff_ids: layers.map((one) => one.diffId) }
  })))
  return imageOf(types.manifest, config, layers, {
    config: descriptor(types.config, config),
    layers: layers.map((one) => descriptor(types.layer, one)),
    ...(options.artifactType === undefined ? {} : { artifactType: options.artifactType }),
    ...(options.subject === undefined ? {} : { subject: descriptor(options.subject.mediaType, options.subject) })
  })
}

function imageOf (mediaType: string, config: Blob, layers: readonly Blob[], content: object): Image {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...content }))
  return { kind: 'image', mediaType, ...blobOf(bytes), config, layers }
}

function descriptor (mediaType: string, blob: Blob): object {
  return { mediaType, digest: blob.digest, size: blob.bytes.length }
}

/** The same image with its blobs named by another algorithm, as some builders do. */
export function renamed (original: Image, algorithm: string): Image {
  const rename = ({ bytes }: Blob) => blobOf(bytes, algorithm)
  const config = rename(original.config)
  const layers = original.layers.map(rename)
  return imageOf(original.mediaType, config, layers, {
    config: descriptor(OCI.config, config),
    layers: layers.map((one) => descriptor(OCI.layer, one))
  })
}

/**
 * An index of images, in the given order, each under a platform of its own. `attestations` are listed as BuildKit
 * lists them: of unknown platform, with an annotation that names the image they are about.
 */
export function index (children: readonly Image[], attestations: ReadonlyMap<Image, Image> = new Map(), format: Format = 'oci'): Index {
  const { index: mediaType } = typesOf(format)
  const platforms = ['amd64', 'arm64', 'riscv64', 's390x']
  const manifests = [
    ...children.map((child, at) => ({ ...descriptor(child.mediaType, child), platform: { os: 'linux', architecture: platforms[at] } })),
    ...[...attestations].map(([attestation, about]) => ({
      ...descriptor(attestation.mediaType, attestation),
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': about.digest }
    }))
  ]
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
  return { kind: 'index', mediaType, ...blobOf(bytes), children: [...children, ...attestations.keys()] }
}

/** A two-platform index with an attestation for the first platform, as `docker buildx build` pushes it. */
export async function multiArchitecture (seed: string, format: Format = 'oci'): Promise<Index> {
  const amd64 = await image(`${seed}/amd64`, { format, architecture: 'amd64' })
  const arm64 = await image(`${seed}/arm64`, { format, architecture: 'arm64' })
  const attestation = await image(`${seed}/attestation`, { format, architecture: 'unknown' })
  return index([amd64, arm64], new Map([[attestation, amd64]]), format)
}

/** The tag under which tools without the referrers API look for what is attached to a manifest. */
export function fallbackTag (manifest: Manifest): string {
  return manifest.digest.replace(':', '-')
}

/** Every manifest of some content, children first. */
export function manifestsOf (content: Content): Manifest[] {
  return content.kind === 'image' ? [content] : [...content.children, content]
}

/** Every config and layer of some content, each once. */
export function blobsOf (content: Content): Blob[] {
  const blobs = content.kind === 'image'
    ? [content.config, ...content.layers]
    : content.children.flatMap((child) => [child.config, ...child.layers])
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()]
}

/** Every digest of some content, manifests included. */
export function digestsOf (...contents: readonly Content[]): string[] {
  return [...new Set(contents.flatMap((content) => [...manifestsOf(content), ...blobsOf(content)].map(({ digest }) => digest)))]
}

/** Writes an OCI image layout, which skopeo and crane push from. */
export async function writeLayout (directory: string, content: Content, name = 'latest'): Promise<void> {
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true })
  await writeFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  for (const { digest, bytes } of [...manifestsOf(content), ...blobsOf(content)]) {
    await writeFile(join(directory, 'blobs', ...digest.split(':')), bytes)
  }
  const entry = { ...descriptor(content.mediaType, content), annotations: { 'org.opencontainers.image.ref.name': name } }
  await writeFile(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: OCI.index, manifests: [entry] }))
}
