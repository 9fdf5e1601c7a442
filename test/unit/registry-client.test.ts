/** Whose word counts when the registry is asked: its own, and not that of a proxy or a firewall in its place. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { Agent } from 'undici'
import { Callers } from '../../src/access/callers.js'
import { parseRepositoryName } from '../../src/oci/name.js'
import { RegistryClient, type KnownMode } from '../../src/registry/client.js'

interface Said { readonly status: number, readonly body?: string }

const APP = parseRepositoryName('app')!
const errors = (code: string): string => JSON.stringify({ errors: [{ code, message: 'words' }] })
const PLAIN = '404 page not found\n'
const WRITABLE: KnownMode = { readOnly: false, pullThrough: false }

/** A client of something that answers each method in its own way. */
async function clientOf (t: Test, answers: Readonly<Record<string, Said>>, mode: KnownMode): Promise<RegistryClient> {
  const server = createServer(({ method = '' }, response) => {
    const { status, body } = answers[method] ?? { status: 500 }
    response.writeHead(status).end(body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const agent = new Agent()
  t.teardown(async () => {
    await agent.close()
    server.close()
  })
  return new RegistryClient(() => `http://127.0.0.1:${(server.address() as AddressInfo).port}`, agent, () => mode)
}

t.test('only the registry\'s own words let a caller delete', async t => {
  const asked = async (answer: Said, mode: KnownMode) => await (await clientOf(t, { DELETE: answer, POST: { status: 202 } }, mode)).mayDelete(APP, {})
  for (const mode of [WRITABLE, undefined]) {
    t.match(await asked({ status: 404, body: errors('MANIFEST_UNKNOWN') }, mode), { outcome: 'allowed' })
    t.match(await asked({ status: 404, body: errors('NAME_UNKNOWN') }, mode), { outcome: 'allowed' })
    t.match(await asked({ status: 405, body: errors('UNSUPPORTED') }, mode), { outcome: 'allowed' }, 'deletes disabled')
    for (const status of [401, 403]) t.match(await asked({ status, body: PLAIN }, mode), { outcome: 'refused', answer: { status } })
    for (const answer of [{ status: 404, body: PLAIN }, { status: 404 }, { status: 404, body: errors('UNSUPPORTED') }, { status: 404, body: '"MANIFEST_UNKNOWN"' }, { status: 404, body: 'null' }, { status: 405, body: '<h1>405 Not Allowed</h1>' }, { status: 405, body: errors('MANIFEST_UNKNOWN') }, { status: 202 }, { status: 200 }, { status: 302 }, { status: 400 }]) {
      await t.rejects(asked(answer, mode), { name: 'CodedError', statusCode: 502 }, `${answer.status} ${answer.body ?? ''}`)
    }
    for (const status of [429, 500, 503]) await t.rejects(asked({ status }, mode), { name: 'CodedError', statusCode: 503 }, `${status}`)
  }
})

t.test('405 where nobody may delete', async t => {
  const asked = async (DELETE: Said, POST: Said, mode: KnownMode) => await (await clientOf(t, { DELETE, POST }, mode)).mayDelete(APP, {})
  const noHandler = { status: 405, body: 'Method not allowed\n' }
  const unsupported = { status: 405, body: errors('UNSUPPORTED') }
  t.match(await asked(noHandler, noHandler, { readOnly: true, pullThrough: false }), { outcome: 'unsupported', reason: /read-only/ })
  t.match(await asked(noHandler, noHandler, undefined), { outcome: 'unsupported', reason: /read-only/ }, 'by its words')
  await t.rejects(asked(noHandler, noHandler, WRITABLE), { name: 'CodedError', statusCode: 502 }, 'its configuration says otherwise')
  t.match(await asked(unsupported, { status: 202 }, { readOnly: false, pullThrough: true }), { outcome: 'unsupported', reason: /pull-through/ })
  t.match(await asked(unsupported, unsupported, undefined), { outcome: 'unsupported', reason: /pull-through/ })
  t.match(await asked(unsupported, { status: 405, body: PLAIN }, undefined), { outcome: 'allowed' }, 'whoever refused the upload is not the registry')
})

t.test('a registry is there when it says 200 or 401', async t => {
  for (const status of [200, 401]) await t.resolves((await clientOf(t, { GET: { status } }, WRITABLE)).ready(AbortSignal.timeout(5_000)))
  for (const status of [404, 403, 302, 503]) {
    const reasons = new Set<string>()
    await t.rejects((await clientOf(t, { GET: { status } }, WRITABLE)).ready(AbortSignal.timeout(300), ({ message }) => { reasons.add(message) }), `${status}`)
    t.same([...reasons], [`status ${status}`])
  }
})

t.test('what a proxy says is no refusal of a caller: who was let in lately stays in', async t => {
  const answers = { GET: { status: 200 } as Said }
  const callers = new Callers(await clientOf(t, answers, WRITABLE), false)
  t.equal(await callers.refusal('Basic known'), undefined)
  answers.GET = { status: 404, body: PLAIN }
  t.equal(await callers.refusal('Basic known'), undefined)
  await t.rejects(callers.refusal('Basic other'), { name: 'CodedError', statusCode: 503 })
  for (const status of [401, 403]) {
    answers.GET = { status }
    t.match(await callers.refusal('Basic other'), { status })
  }
})
