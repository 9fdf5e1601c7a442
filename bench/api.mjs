// Requests to Delgate, as the deletion cases send them.
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { blobDirectory } from './generate.mjs'

/** How long one answer is waited for, milliseconds. */
const ANSWER = 300_000

/** Sends a request, and fails on a status that was not expected. */
export async function ask (url, method, path, { expect, ...options } = {}) {
  const answer = await fetch(new URL(path, url), { method, signal: AbortSignal.timeout(ANSWER), ...options })
  if (expect !== undefined && ![expect].flat().includes(answer.status)) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer
}

export const status = async (url) => await (await ask(url, 'GET', '/delgate/v1/status', { expect: 200 })).json()

/** Sends the DELETE of an image's tag. */
export const deleteTag = async (url, { repository, tag }, headers = {}) =>
  await ask(url, 'DELETE', `/v2/${repository}/manifests/${tag}`, { expect: 202, headers })

/** Waits until a condition holds. @param every milliseconds; the first look is at once */
export async function until (what, holds, { every = 5, seconds = 600 } = {}) {
  const end = performance.now() + seconds * 1000
  while (!await holds()) {
    if (performance.now() > end) throw new Error(`${what}: not within ${seconds} s`)
    await delay(every)
  }
}

/** Waits until no job is queued or running. */
export const untilIdle = async (url) => await until('all jobs have ended', async () => {
  const { jobs } = await status(url)
  return jobs.queued + jobs.running === 0
}, { every: 20, seconds: 1800 })

/**
 * Deletes a tag and waits until everything is over: the job is done, and the registry has forgotten the layers, so
 * that a push would send them again.
 * @returns seconds until the blobs were gone, and until it was all over
 */
export async function deleteWhole (url, storage, image) {
  const directories = [image.manifest, ...image.blobs].map((blob) => blobDirectory(storage, blob))
  const start = performance.now()
  const since = () => (performance.now() - start) / 1000
  const gone = until('the blobs are gone', () => !directories.some(existsSync), { every: 1 }).then(since)
  let job = await (await deleteTag(url, image, { prefer: 'wait=60' })).json()
  while (job.state !== 'done') {
    if (job.state === 'failed') throw new Error(`the job failed: ${JSON.stringify(job.error)}`)
    await delay(20)
    job = await (await ask(url, 'GET', `/delgate/v1/jobs/${job.id}`, { expect: 200 })).json()
  }
  const over = since()
  // That a push would be told the truth is looked at once it has been said.
  for (const { digest } of image.blobs) await ask(url, 'HEAD', `/v2/${image.repository}/blobs/${digest}`, { expect: 404 })
  return { gone: await gone, over }
}

/** Pushes an image as clients do: asks for each blob, sends it when it is not there. @param onClaim gets the seconds that each HEAD took */
export async function pushImage (url, { repository, tag, mediaType, manifest, blobs }, onClaim = () => {}) {
  for (const { digest, text } of blobs) {
    const start = performance.now()
    const head = await ask(url, 'HEAD', `/v2/${repository}/blobs/${digest}`, { expect: [200, 404] })
    onClaim((performance.now() - start) / 1000)
    if (head.status === 200) continue
    const upload = await ask(url, 'POST', `/v2/${repository}/blobs/uploads/`, { expect: 202 })
    await ask(url, 'PUT', `${new URL(upload.headers.get('location'), url).href}&digest=${digest}`, { expect: 201, body: text, headers: { 'content-type': 'application/octet-stream' } })
  }
  await ask(url, 'PUT', `/v2/${repository}/manifests/${tag}`, { expect: 201, body: manifest.text, headers: { 'content-type': mediaType } })
}

/** Pulls an image and checks every byte. */
export async function pullImage (url, { repository, tag, mediaType, manifest, blobs }) {
  const same = async (path, expected) => {
    const body = await (await ask(url, 'GET', path, { expect: 200, headers: { accept: mediaType } })).text()
    if (body !== expected) throw new Error(`${path}: wrong bytes`)
  }
  await same(`/v2/${repository}/manifests/${tag}`, manifest.text)
  for (const { digest, text } of blobs) await same(`/v2/${repository}/blobs/${digest}`, text)
}
