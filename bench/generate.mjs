// A registry of any size, written straight to the disk as distribution writes it. Everything follows from a number, so
// nothing has to be remembered: image 7 is always the same image.
import { createHash } from 'node:crypto'
import { mkdirSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const LAYERS = 6
const IMAGES_PER_REPOSITORY = 100
/** Files and directories that one image takes: blobs 16, layer links 14, revision 2, tag 7. */
const ENTRIES_PER_IMAGE = 39
/** What a small file or directory takes on the disk, bytes. */
const BLOCK = 4096
const PROGRESS_EVERY = 10_000

const MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json'
const hexOf = (bytes) => createHash('sha256').update(bytes).digest('hex')

/** A blob: what is stored, and under which name. */
function blobOf (text) {
  const hex = hexOf(text)
  return { hex, digest: `sha256:${hex}`, text }
}

/** Image `number`: one config and six layers that nothing else has, and one tag. */
export function imageAt (number) {
  const config = blobOf(JSON.stringify({ architecture: 'amd64', os: 'linux', number }))
  const layers = Array.from({ length: LAYERS }, (_, at) => blobOf(`layer ${at} of image ${number}`))
  return imageOf(`bench/r${String(Math.floor(number / IMAGES_PER_REPOSITORY)).padStart(4, '0')}`, `t${number % IMAGES_PER_REPOSITORY}`, config, layers)
}

/** An image of any blobs. */
export function imageOf (repository, tag, config, layers) {
  const descriptor = (mediaType, { digest, text }) => ({ mediaType, digest, size: text.length })
  const manifest = blobOf(JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE,
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: layers.map((layer) => descriptor('application/vnd.oci.image.layer.v1.tar+gzip', layer))
  }))
  return { repository, tag, mediaType: MEDIA_TYPE, manifest, blobs: [config, ...layers] }
}

export { blobOf }

/** The directory of a blob. @param root the storage's root directory */
export const blobDirectory = (root, { hex }) => join(root, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex)
export const manifestsDirectory = (root, repository) => join(root, 'docker/registry/v2/repositories', repository, '_manifests')

/** Why there is no room for that many images in a directory; `undefined` when there is. */
export function lackOfRoom (directory, images) {
  const { bavail, bsize, ffree, files } = statfsSync(directory)
  const entries = images * ENTRIES_PER_IMAGE
  const shown = (number) => Math.ceil(number).toLocaleString('en')
  // Some file systems have no fixed number of inodes, and say 0.
  if (files > 0 && ffree < entries * 1.02) return `it needs ${shown(entries)} inodes, ${shown(ffree)} are free`
  if (bavail * bsize < entries * BLOCK * 1.1) return `it needs ${shown(entries * BLOCK / 1e9)} GB, ${shown(bavail * bsize / 1e9)} are free`
  return undefined
}

/** Writes the first `images` images. @param onProgress gets how many there are, now and then */
export function writeRegistry (root, images, onProgress = () => {}) {
  const blobs = join(root, 'docker/registry/v2/blobs/sha256')
  mkdirSync(blobs, { recursive: true })
  for (let prefix = 0; prefix < 256; prefix++) mkdirSync(join(blobs, prefix.toString(16).padStart(2, '0')))
  mkdirSync(join(root, 'docker/registry/v2/repositories/bench'), { recursive: true })
  for (let number = 0; number < images; number++) {
    const image = imageAt(number)
    if (number % IMAGES_PER_REPOSITORY === 0) makeRepository(root, image.repository)
    writeImage(root, image)
    if ((number + 1) % PROGRESS_EVERY === 0) onProgress(number + 1)
  }
}

function makeRepository (root, repository) {
  const directory = join(root, 'docker/registry/v2/repositories', repository)
  for (const below of ['_layers/sha256', '_manifests/revisions/sha256', '_manifests/tags']) mkdirSync(join(directory, below), { recursive: true })
}

// Paths are put together by hand, and no directory is made or looked for twice: this runs millions of times.
function writeImage (root, { repository, tag, manifest, blobs }) {
  const at = `${root}/docker/registry/v2/repositories/${repository}`
  for (const blob of blobs) {
    writeBlob(root, blob)
    writeLink(`${at}/_layers/sha256/${blob.hex}`, blob)
  }
  writeBlob(root, manifest)
  writeLink(`${at}/_manifests/revisions/sha256/${manifest.hex}`, manifest)
  const tagDirectory = `${at}/_manifests/tags/${tag}`
  for (const below of ['', '/index', '/index/sha256']) mkdirSync(tagDirectory + below)
  writeLink(`${tagDirectory}/current`, manifest)
  writeLink(`${tagDirectory}/index/sha256/${manifest.hex}`, manifest)
}

function writeBlob (root, { hex, text }) {
  const directory = `${root}/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}`
  mkdirSync(directory)
  writeFileSync(`${directory}/data`, text)
}

function writeLink (directory, { digest }) {
  mkdirSync(directory)
  writeFileSync(`${directory}/link`, digest)
}
