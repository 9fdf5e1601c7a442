/** Waiting for a job: progress at a terminal, plain lines in a pipe, and Ctrl-C, after which the job goes on. */
import t, { type Test } from 'tap'
import { atTerminal, cli } from '../support/cli.js'
import { push, tagsOf } from '../support/client.js'
import { startGate, startWrappedGate, type WrappedGate } from '../support/delgate.js'
import { startGateProcess } from '../support/delgate-process.js'
import { image } from '../support/images.js'
import { allJobs, del, type Job } from '../support/jobs.js'
import { REGISTRY_PAIR } from '../support/pairs.js'
import { writeRegistryConfig } from '../support/registry.js'
import { temporaryDirectory, until } from '../support/temporary.js'
import { eachRegistry, type RegistryTool } from '../support/tools.js'
import { wrapRegistry } from '../support/wrapper.js'

t.setTimeout(900_000)

/** A gate where a job does not end before `collect-waits` is switched off. */
async function startSlow (t: Test, tool: RegistryTool): Promise<WrappedGate> {
  const gate = await startWrappedGate(t, tool, { settings: { collection: REGISTRY_PAIR.collection } })
  await push(gate.url, 'app', 'v1', await image('slow'))
  await gate.wrapper.on('collect-waits')
  return gate
}

const ended = async (url: string): Promise<Job> => await until('the job ends', async () => (await allJobs(url)).find(job => job.state === 'done'), 60_000)

await eachRegistry(t, 'Ctrl-C detaches from a waiting rm; the job goes on', async (t, tool) => {
  const gate = await startSlow(t, tool)
  const terminal = atTerminal(['rm', 'app:v1', '--yes', '--wait', '--url', gate.url])
  await terminal.shows(/\[#+-+\] app:v1: (?:running|queued)/)
  terminal.type('\x03')
  t.equal(await terminal.ended(), 130)
  const [{ id }] = await allJobs(gate.url) as [Job]
  t.match(terminal.output(), new RegExp(`delgate: detached: job ${id} goes on; look at it with: delgate job ${id} --url ${gate.url}\r?\n$`))
  t.equal(await tagsOf(gate.url, 'app'), undefined)
  await gate.wrapper.off('collect-waits')
  t.equal((await ended(gate.url)).id, id)
})

await eachRegistry(t, 'job: a bar at a terminal, from which Ctrl-C detaches; lines in a pipe', async (t, tool) => {
  const gate = await startSlow(t, tool)
  await del(gate.url, '/v2/app/manifests/v1')
  const [{ id }] = await allJobs(gate.url) as [Job]
  const detached = atTerminal(['job', id, '--url', gate.url])
  await detached.shows(/\[#+-+\] app:v1: /)
  detached.type('\x03')
  t.equal(await detached.ended(), 130)
  t.match(detached.output(), `job ${id} goes on`)
  const terminal = atTerminal(['job', id, '--url', gate.url])
  let said = ''
  const piping = cli(['job', id, '--url', gate.url], { onOutput: text => { said += text } })
  await Promise.all([terminal.shows(/\[#+-+\] app:v1: /), until('the pipe has a line', () => said !== '')])
  await gate.wrapper.off('collect-waits')
  const piped = await piping
  t.equal(piped.code, 0)
  t.match(piped.stdout, new RegExp(`^${id} (?:running|queued) \\w+: 1 tag, 1 manifest, .* freed\n(?:.*\n)*app:v1: done, 1 tag, 1 manifest, 4 blobs removed, .* freed\n$`))
  // eslint-disable-next-line no-control-regex
  t.notMatch(piped.stdout, /[\r\u001b]/, 'nothing for terminals')
  t.equal(await terminal.ended(), 0)
  t.match(terminal.output(), /app:v1: done, .*\r\n$/)
})

await eachRegistry(t, 'a restart of the gate does not end the waiting', async (t, tool) => {
  const settings = { collection: REGISTRY_PAIR.collection }
  const files = await writeRegistryConfig(await temporaryDirectory(t))
  const { binary, on, off } = await wrapRegistry(files.directory, tool)
  const gate = await startGateProcess(t, tool, { settings, files, binary })
  await push(gate.url, 'app', 'v1', await image('restart'))
  await on('collect-waits')
  await del(gate.url, '/v2/app/manifests/v1')
  const [{ id }] = await allJobs(gate.url) as [Job]
  const following = atTerminal(['job', id, '--url', gate.url])
  await following.shows(/app:v1: /)
  await gate.stop('SIGKILL')
  const port = Number(new URL(gate.url).port)
  const again = await startGate(t, tool, { files: gate, binary, settings: { ...settings, listen: { port } } })
  t.equal(again.url, gate.url)
  await off('collect-waits')
  t.equal(await following.ended(), 0, following.output())
  t.match(following.output(), 'app:v1: done')
})
