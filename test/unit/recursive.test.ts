/** A recursive deletion looks for what there is only for those who are known. */
import fastify from 'fastify'
import t, { type Test } from 'tap'
import type { Verdict } from '../../src/access/access.js'
import { handleDelete, type DeleteParts } from '../../src/http/delete.js'
import { parseRepositoryName, type RepositoryName } from '../../src/oci/name.js'
import { classify } from '../../src/oci/route.js'
import { Admission } from '../../src/traffic/admission.js'

const BELOW = parseRepositoryName('team/app')!

const refused = (status: number, challenge: string): Verdict => ({ outcome: 'refused', answer: { status, headers: { 'www-authenticate': challenge }, body: '{}' } })

async function ask (t: Test, answer: (repository: RepositoryName) => Verdict, authorization?: string) {
  const app = fastify()
  t.teardown(async () => { await app.close() })
  const [asked, recorded]: [RepositoryName[], number[]] = [[], []]
  let walks = 0
  const parts = {
    admission: new Admission({ maximumRequests: 1, timeoutSeconds: 1 }),
    access: { delete: async (repository: RepositoryName) => { asked.push(repository); return answer(repository) } },
    decisions: { refused: async (_request: unknown, _decision: unknown, { statusCode }: { statusCode: number }) => { recorded.push(statusCode) } },
    deleter: { repositories: async () => { walks++; return [BELOW] }, rehearse: async () => ({ outcome: 'rehearsed', receipt: {} }) }
  } as unknown as DeleteParts
  app.delete('/v2/*', async (request, reply) => { await handleDelete(request, reply, classify('/v2/team'), parts) })
  const query = authorization === 'dry run' ? '&dry-run=true' : ''
  const { statusCode, headers } = await app.inject({ method: 'DELETE', url: `/v2/team?recursive=true${query}`, headers: authorization === undefined ? {} : { authorization } })
  return { statusCode, challenge: headers['www-authenticate'], asked, recorded, walks }
}

t.test('without credentials, and with wrong ones, the registry\'s challenge for the name', async t => {
  const bearer = 'Bearer realm="x",scope="repository:team:delete"'
  for (const [authorization, answer] of [[undefined, refused(401, bearer)], ['Bearer x', refused(401, `${bearer},error="invalid_token"`)], ['Basic x', refused(401, 'Basic realm="x"')], [undefined, refused(403, 'x')]] as const) {
    const { statusCode, challenge, walks, asked, recorded } = await ask(t, () => answer, authorization)
    if (answer.outcome !== 'refused') throw new Error('refused')
    t.same([statusCode, challenge], [answer.answer.status, answer.answer.headers['www-authenticate']])
    t.same([walks, asked, recorded], [0, ['team'], [answer.answer.status]])
  }
})

t.test('a good token that is for others may be for those below', async t => {
  const other = refused(401, 'Bearer realm="x",error="insufficient_scope"')
  const may = await ask(t, repository => repository === BELOW ? { outcome: 'allowed' } : other, 'dry run')
  t.same([may.statusCode, may.walks, may.asked], [200, 1, ['team', BELOW]])
  const mayNot = await ask(t, () => other, 'Bearer x')
  t.same([mayNot.statusCode, mayNot.walks, mayNot.recorded], [401, 1, [401]])
})
