/** Waiting for a job: progress at a terminal, plain lines in a pipe, and Ctrl-C, after which the job goes on. */
import t, { type Test } from 'tap'
import { atTerminal, cli } from '../support/cli.js'
import { push, tagsOf } from '../support/client.js'
import { startGate, type Gate } from '../support/delgate.js'
import { startGateProcess } from '../support/delgate-process.js'
import { expectStatus, request } from '../support/http.js'
import { image, type Image } from '../support/images.js'
import { allJobs, del, type Job } from '../support/jobs.js'
import { until } from '../support/temporary.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'

t.setTimeout(900_000)
/** How long a push that does not go on keeps a job waiting, seconds. */
const IDLE_SECONDS = 8

async function startSlow (t: Test, tool: RegistryTool): Promise<{ gate: Gate, content: Image }> {
  const gate = await startGate(t, tool, { settings: { drain: { sessionIdleSeconds: IDLE_SECONDS } } })
  const content = await image('slow')
  await push(gate.url, 'app', 'v1', content)
  await holdUp(gate.url, content)
  return { gate, content }
}

/** A push has asked for a layer, and may rely on the answer: the job that would sweep it waits. */
async function holdUp (url: string, content: Image): Promise<void> {
  expectStatus(await request(url, 'HEAD', `/v2/app/blobs/${content.layers[0]!.digest}`), 200, 'the layer')
}

const ended = async (url: string): Promise<Job> => await until('the job ends', async () => (await allJobs(url)).find(job => job.state === 'done'), 60_000)

await eachRegistry(t, 'Ctrl-C detaches from a waiting rm; the job goes on', async (t, tool) => {
  const { gate } = await startSlow(t, tool)
  const terminal = atTerminal(['rm', 'app:v1', '--yes', '--wait', '--url', gate.url])
  await terminal.shows(/\[#+-+\] app:v1: (?:running|queued)/)
  terminal.type('\x03')
  t.equal(await terminal.ended(), 130)
  const [{ id }] = await allJobs(gate.url) as [Job]
  t.match(terminal.output(), new RegExp(`delgate: detached: job ${id} goes on; look at it with: delgate job ${id} --url ${gate.url}\r?\n$`))
  t.equal(await tagsOf(gate.url, 'app'), undefined)
  t.equal((await ended(gate.url)).id, id)
})

await eachRegistry(t, 'job: a bar at a terminal, from which Ctrl-C detaches; lines in a pipe', async (t, tool) => {
  const { gate } = await startSlow(t, tool)
  await del(gate.url, '/v2/app/manifests/v1')
  const [{ id }] = await allJobs(gate.url) as [Job]
  const detached = atTerminal(['job', id, '--url', gate.url])
  await detached.shows(/\[#+-+\] app:v1: /)
  detached.type('\x03')
  t.equal(await detached.ended(), 130)
  t.match(detached.output(), `job ${id} goes on`)
  const terminal = atTerminal(['job', id, '--url', gate.url])
  const piped = await cli(['job', id, '--url', gate.url])
  t.equal(piped.code, 0)
  t.match(piped.stdout, new RegExp(`^${id} (?:running|queued) \\w+: 1 tag, 1 manifest, .* freed\n(?:.*\n)*app:v1: done, 1 tag, 1 manifest, 4 blobs removed, .* freed\n$`))
  // eslint-disable-next-line no-control-regex
  t.notMatch(piped.stdout, /[\r\u001b]/, 'nothing for terminals')
  t.equal(await terminal.ended(), 0)
  t.match(terminal.output(), /app:v1: done, .*\r\n$/)
})

await eachRegistry(t, 'a restart of the gate does not end the waiting', async (t, tool) => {
  const settings = { drain: { sessionIdleSeconds: IDLE_SECONDS } }
  const gate = await startGateProcess(t, tool, { settings })
  const content = await image('restart')
  await push(gate.url, 'app', 'v1', content)
  await holdUp(gate.url, content)
  await del(gate.url, '/v2/app/manifests/v1')
  const [{ id }] = await allJobs(gate.url) as [Job]
  const following = atTerminal(['job', id, '--url', gate.url])
  await following.shows(/app:v1: /)
  await gate.stop('SIGKILL')
  const port = Number(new URL(gate.url).port)
  const again = await startGate(t, tool, { files: gate, settings: { ...settings, listen: { port } } })
  t.equal(again.url, gate.url)
  t.equal(await following.ended(), 0, following.output())
  t.match(following.output(), 'app:v1: done')
})
