/** The page's files, what they tell the browser, and what another site cannot make a browser do. */
import { readFile, readdir } from 'node:fs/promises'
import t from 'tap'
import { startGate } from '../support/delgate.js'
import { header, json, ociError, request } from '../support/http.js'
import { image } from '../support/images.js'
import { catalog, push } from '../support/client.js'
import { eachRegistry } from '../support/tools.js'

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

await eachRegistry(t, 'the page is served without a login, under a strict policy', async (t, tool) => {
  const gate = await startGate(t, tool, { registry: { auth: 'htpasswd' } })
  const page = await request(gate.url, 'GET', '/delgate/')
  t.equal(page.status, 200)
  t.match(page.headers, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache', 'content-security-policy': POLICY, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
  const html = page.body.toString()
  t.notMatch(html, /<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|https?:/, 'nothing inline, nothing from elsewhere')
  const files = [...html.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, path]) => path!)
  t.ok(files.length > 2, `${files.length} files`)
  for (const path of files) {
    const file = await request(gate.url, 'GET', `/delgate/${path}`)
    t.equal(file.status, 200, path)
    t.match(file.headers, { 'cache-control': 'public, max-age=31536000, immutable', 'x-content-type-options': 'nosniff', 'content-type': /^(?:text\/javascript|application\/javascript|text\/css|image\/svg\+xml)/ })
  }
  const redirect = await request(gate.url, 'GET', '/delgate')
  t.same([redirect.status, header(redirect, 'location')], [308, 'delgate/'])
  const unchanged = await request(gate.url, 'GET', '/delgate/', { headers: { 'if-none-match': header(page, 'etag') } })
  t.equal(unchanged.status, 304)
})

await eachRegistry(t, 'the compiled modules are all that is served', async (t, tool) => {
  const gate = await startGate(t, tool)
  for (const path of ['/delgate/index.js', '/delgate/../package.json', '/delgate/%2e%2e/main.js', '/delgate/..%2fmain.js', '/delgate//etc/passwd', '/delgate/v1', '/delgate/assets', '/delgate/assets-0/main.js']) {
    const answer = await request(gate.url, 'GET', path)
    t.same([answer.status, ociError(answer).code], [404, 'UNSUPPORTED'], path)
  }
  const [assets] = (await readdir('dist/page')).filter(name => name.startsWith('assets-'))
  const loaded = (await readdir(`dist/page/${assets}`, { recursive: true })).filter(name => name.endsWith('.js'))
  for (const name of loaded) {
    const imports = [...(await readFile(`dist/page/${assets}/${name}`, 'utf8')).matchAll(/(?:from|import)\s*['"]([^'"]+)['"]/g)].map(([, module]) => module)
    t.same(imports.filter(module => !/^\.\.?\/.*\.js$/.test(module!)), [], `${name} imports files only`)
  }
})

await eachRegistry(t, 'there is no page where it is switched off', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { page: { enabled: false } } })
  for (const path of ['/delgate', '/delgate/', '/delgate/index.html']) t.equal((await request(gate.url, 'GET', path)).status, 404, path)
  t.equal((await request(gate.url, 'GET', '/delgate/v1/status')).status, 200, 'the interface is there')
})

await eachRegistry(t, 'another site cannot make a browser delete, collect or undo', async (t, tool) => {
  const gate = await startGate(t, tool, { settings: { cors: { origins: ['https://ui.example'] } } })
  await push(gate.url, 'app', 'v1', await image('cross'))
  const from = (origin: string, site?: string) => ({ headers: { origin, ...(site === undefined ? {} : { 'sec-fetch-site': site }) } })
  const changes = [['DELETE', '/delgate/v1/repositories?confirm=all'], ['POST', '/delgate/v1/collections'], ['POST', '/delgate/v1/trash/empty'], ['POST', '/delgate/v1/jobs/x/undo'], ['POST', '/delgate/v1/jobs/x/cancel']] as const
  for (const [method, path] of changes) {
    for (const options of [from('https://evil.example', 'cross-site'), from('http://evil.example'), from('null')]) {
      const answer = await request(gate.url, method, path, options)
      t.same([answer.status, ociError(answer).code], [403, 'DENIED'], `${method} ${path}`)
    }
  }
  t.same(await catalog(gate.url), ['app'])
  t.equal((await request(gate.url, 'GET', '/delgate/v1/status', from('https://evil.example', 'cross-site'))).status, 200, 'reading is the browser\'s to forbid')
  t.equal((await request(gate.url, 'POST', '/delgate/v1/collections', from('https://ui.example', 'cross-site'))).status, 202, 'a configured one may')
  t.equal((await request(gate.url, 'POST', '/delgate/v1/collections', from(gate.url, 'same-origin'))).status, 202)
  t.match(json(await request(gate.url, 'POST', '/delgate/v1/trash/empty')), { jobs: 0 }, 'what is no browser says nothing of sites')
})
