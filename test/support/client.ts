/**
 * A registry client over plain HTTP that does what real ones do: it asks before it uploads, believes what it is told,
 * and checks every byte that it gets.
 */
import type { OutgoingHttpHeaders } from 'node:http'
import { expectStatus, header, json, request, type Answer } from './http.js'
import { ACCEPT_ALL, blobsOf, digestOf, manifestsOf, type Blob, type Content, type Manifest } from './images.js'

export interface ClientOptions {
  readonly headers?: OutgoingHttpHeaders
}

/** What a push did with the blobs: sent them, or was told that they are there. */
export interface Pushed {
  readonly uploaded: readonly string[]
  readonly present: readonly string[]
}

/** Resolves a `Location` as a client does, and insists that it stays on the server that was asked. */
export function followLocation (base: string, path: string, answer: Answer): string {
  const location = header(answer, 'location')
  if (location === undefined) throw new Error(`no Location (status ${answer.status})`)
  const url = new URL(location, new URL(path, base))
  if (url.origin !== new URL(base).origin) throw new Error(`Location leaves ${base}: ${location}`)
  return url.pathname + url.search
}

const mark = (location: string, digest: string): string =>
  `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`

/** Opens an upload and returns where it goes on. */
export async function beginUpload (base: string, repository: string, { headers }: ClientOptions = {}): Promise<string> {
  const path = `/v2/${repository}/blobs/uploads/`
  const answer = expectStatus(await request(base, 'POST', path, { headers }), 202, `POST ${path}`)
  return followLocation(base, path, answer)
}

/** Sends one chunk and returns where the upload goes on. */
export async function sendChunk (base: string, location: string, bytes: Buffer, { headers }: ClientOptions = {}): Promise<string> {
  const answer = await request(base, 'PATCH', location, { headers: { 'content-type': 'application/octet-stream', ...headers }, body: bytes })
  return followLocation(base, location, expectStatus(answer, 202, 'PATCH'))
}

/** Ends an upload. */
export async function commitUpload (base: string, location: string, digest: string, { headers }: ClientOptions = {}): Promise<Answer> {
  return expectStatus(await request(base, 'PUT', mark(location, digest), { headers, body: '' }), 201, `PUT ${digest}`)
}

/** Uploads without asking first. */
export async function uploadBlob (base: string, repository: string, blob: Blob, options: ClientOptions = {}): Promise<void> {
  const begun = await beginUpload(base, repository, options)
  const sent = await sendChunk(base, begun, blob.bytes, options)
  await commitUpload(base, sent, blob.digest, options)
}

/** Whether the registry says that it has this blob. */
export async function hasBlob (base: string, repository: string, digest: string, { headers }: ClientOptions = {}): Promise<boolean> {
  const path = `/v2/${repository}/blobs/${digest}`
  const answer = await request(base, 'HEAD', path, { headers })
  if (answer.status === 404) return false
  expectStatus(answer, 200, `HEAD ${path}`)
  return true
}

/** Puts a manifest under a tag or digest. */
export async function putManifest (base: string, repository: string, reference: string, manifest: Manifest, { headers }: ClientOptions = {}): Promise<Answer> {
  const path = `/v2/${repository}/manifests/${reference}`
  const answer = await request(base, 'PUT', path, { headers: { 'content-type': manifest.mediaType, ...headers }, body: manifest.bytes })
  return expectStatus(answer, 201, `PUT ${path}`)
}

/** Uploads the blobs that the registry says it lacks. */
export async function pushBlobs (base: string, repository: string, blobs: readonly Blob[], options: ClientOptions = {}): Promise<Pushed> {
  const uploaded: string[] = []
  const present: string[] = []
  for (const blob of blobs) {
    if (await hasBlob(base, repository, blob.digest, options)) {
      present.push(blob.digest)
    } else {
      await uploadBlob(base, repository, blob, options)
      uploaded.push(blob.digest)
    }
  }
  return { uploaded, present }
}

/** Pushes content as clients do: missing blobs, children by digest, then the manifest under each reference. */
export async function push (base: string, repository: string, references: string | readonly string[], content: Content, options: ClientOptions = {}): Promise<Pushed> {
  const pushed = await pushBlobs(base, repository, blobsOf(content), options)
  for (const child of manifestsOf(content).slice(0, -1)) await putManifest(base, repository, child.digest, child, options)
  for (const reference of [references].flat()) await putManifest(base, repository, reference, content, options)
  return pushed
}

/** Pulls a manifest and checks its bytes. */
export async function pullManifest (base: string, repository: string, reference: string, expected: Manifest, { headers }: ClientOptions = {}): Promise<void> {
  const path = `/v2/${repository}/manifests/${reference}`
  const answer = expectStatus(await request(base, 'GET', path, { headers: { accept: ACCEPT_ALL, ...headers } }), 200, `GET ${path}`)
  same(answer.body, expected, path)
  if (header(answer, 'docker-content-digest') !== expected.digest) throw new Error(`${path}: wrong Docker-Content-Digest`)
}

/** Pulls a blob and checks its bytes. */
export async function pullBlob (base: string, repository: string, expected: Blob, { headers }: ClientOptions = {}): Promise<void> {
  const path = `/v2/${repository}/blobs/${expected.digest}`
  const answer = expectStatus(await request(base, 'GET', path, { headers }), 200, `GET ${path}`)
  same(answer.body, expected, path)
}

function same (body: Buffer, expected: Blob, path: string): void {
  const [algorithm] = expected.digest.split(':')
  const digest = digestOf(body, algorithm)
  if (digest !== expected.digest) throw new Error(`${path}: ${body.length} bytes with digest ${digest}`)
}

/** Pulls content whole, by the reference and by digest, every platform, and checks every byte; throws on the first that is wrong. */
export async function pull (base: string, repository: string, reference: string, content: Content, options: ClientOptions = {}): Promise<void> {
  await pullManifest(base, repository, reference, content, options)
  for (const manifest of manifestsOf(content)) await pullManifest(base, repository, manifest.digest, manifest, options)
  for (const blob of blobsOf(content)) await pullBlob(base, repository, blob, options)
}

/** The status of HEAD for a manifest. */
export async function manifestStatus (base: string, repository: string, reference: string, { headers }: ClientOptions = {}): Promise<number> {
  const path = `/v2/${repository}/manifests/${reference}`
  const accepting = { headers: { accept: ACCEPT_ALL, ...headers } }
  const head = await request(base, 'HEAD', path, accepting)
  const get = await request(base, 'GET', path, accepting)
  if (head.status !== get.status) throw new Error(`${path}: HEAD says ${head.status}, GET ${get.status}`)
  return get.status
}

/** The tags of a repository, sorted; `undefined` when the registry does not know it. */
export async function tagsOf (base: string, repository: string, { headers }: ClientOptions = {}): Promise<string[] | undefined> {
  const answer = await request(base, 'GET', `/v2/${repository}/tags/list`, { headers })
  if (answer.status === 404) return undefined
  return (json<{ tags: string[] | null }>(expectStatus(answer, 200, 'tags/list')).tags ?? []).sort()
}

/** All repositories, sorted. */
export async function catalog (base: string, { headers }: ClientOptions = {}): Promise<string[]> {
  const answer = expectStatus(await request(base, 'GET', '/v2/_catalog?n=1000', { headers }), 200, '_catalog')
  return json<{ repositories: string[] | null }>(answer).repositories?.sort() ?? []
}
