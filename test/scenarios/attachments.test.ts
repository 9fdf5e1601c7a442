/** Signatures, referrers and the like go with the manifest that they are attached to, unless the settings keep them. */
import t from 'tap'
import { blobsOf, digestsOf, fallbackTag, image, index, type Image } from '../support/images.js'
import { manifestStatus, pull, push, tagsOf } from '../support/client.js'
import { startGate, type Gate } from '../support/delgate.js'
import { assertClean } from '../support/disk.js'
import { deleted } from '../support/jobs.js'
import { assertRepush } from '../support/repush.js'
import { eachRegistry } from '../support/tools.js'

interface Signed {
  readonly content: Image
  readonly cosign: readonly Image[]
  readonly referrer: Image
}

const SUFFIXES = ['.sig', '.att', '.sbom'] as const

/** Pushes an image with all that signing tools attach: cosign's tags, a referrer by `subject`, and the fallback tag. */
async function pushSigned (gate: Gate, repository: string, tag: string, seed: string): Promise<Signed> {
  const content = await image(seed)
  const cosign = await Promise.all(SUFFIXES.map((suffix) => image(`${seed}${suffix}`)))
  const referrer = await image(`${seed} referrer`, { subject: content, artifactType: 'application/vnd.example.signature' })
  await push(gate.url, repository, tag, content)
  for (const [at, suffix] of SUFFIXES.entries()) await push(gate.url, repository, fallbackTag(content) + suffix, cosign[at]!)
  await push(gate.url, repository, referrer.digest, referrer)
  await push(gate.url, repository, fallbackTag(content), index([referrer]))
  return { content, cosign, referrer }
}

const attached = ({ cosign, referrer }: Signed) => digestsOf(...cosign, referrer, index([referrer]))
const attachedTags = ({ content }: Signed) => ['', ...SUFFIXES].map((suffix) => fallbackTag(content) + suffix)

await eachRegistry(t, 'scenario 14: what is attached to the deleted image goes, what is attached to another stays', async (t, tool) => {
  const gate = await startGate(t, tool)
  const one = await pushSigned(gate, 'app', 'v1', 'signed one')
  const other = await pushSigned(gate, 'app', 'v2', 'signed other')

  const receipt = await deleted(gate.url, '/v2/app/manifests/v1')
  t.same(receipt.tags.map(({ tag }) => tag).sort(), ['v1', ...attachedTags(one)].sort())
  t.same(await tagsOf(gate.url, 'app'), ['v2', ...attachedTags(other)].sort())
  await pull(gate.url, 'app', 'v2', other.content)
  await pull(gate.url, 'app', other.referrer.digest, other.referrer)
  await pull(gate.url, 'app', fallbackTag(other.content), index([other.referrer]))
  for (const [at, suffix] of SUFFIXES.entries()) await pull(gate.url, 'app', fallbackTag(other.content) + suffix, other.cosign[at]!)
  await assertClean(t, gate, { digests: [...digestsOf(one.content), ...attached(one)] })
  await assertRepush(t, gate.url, 'app', 'v1', one.content)
})

await eachRegistry(t, 'scenario 14: the last signed image takes the repository with it', async (t, tool) => {
  const gate = await startGate(t, tool)
  const one = await pushSigned(gate, 'team/app', 'v1', 'last signed')
  await deleted(gate.url, '/v2/team/app/manifests/v1')
  t.equal(await tagsOf(gate.url, 'team/app'), undefined)
  await assertClean(t, gate, { digests: [...digestsOf(one.content), ...attached(one)], repositories: ['team/app'] })
})

await eachRegistry(t, 'scenario 14: attachments stay while another tag holds the image', async (t, tool) => {
  const gate = await startGate(t, tool)
  const one = await pushSigned(gate, 'app', 'v1', 'twice tagged')
  await push(gate.url, 'app', 'v1-alias', one.content)
  await deleted(gate.url, '/v2/app/manifests/v1')
  t.same(await tagsOf(gate.url, 'app'), ['v1-alias', ...attachedTags(one)].sort())
  await pull(gate.url, 'app', one.referrer.digest, one.referrer)
})

await eachRegistry(t, 'scenario 14: with referrers: keep they stay', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { referrers: 'keep' } })
  const one = await pushSigned(gate, 'app', 'v1', 'kept')
  await deleted(gate.url, '/v2/app/manifests/v1')
  t.same(await tagsOf(gate.url, 'app'), attachedTags(one).sort())
  await pull(gate.url, 'app', one.referrer.digest, one.referrer)
  for (const [at, suffix] of SUFFIXES.entries()) await pull(gate.url, 'app', fallbackTag(one.content) + suffix, one.cosign[at]!)
  t.equal(await manifestStatus(gate.url, 'app', one.content.digest), 404, 'the image itself is gone')
  // Not its own digest, which is part of the tags that stay.
  await assertClean(t, gate, { digests: blobsOf(one.content).map(({ digest }) => digest) })
})
