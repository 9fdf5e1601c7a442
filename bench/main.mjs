// What Delgate costs as a proxy (bench/proxy.mjs), what a deletion costs beside garbage-collect (bench/deletion.mjs), and how soon
// one sees what is stored (bench/catalog.mjs).
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { benchCatalog } from './catalog.mjs'
import { benchDeletion } from './deletion.mjs'
import { benchProxy, proxyCases } from './proxy.mjs'
import { removeTree } from './remove.mjs'
import { stopAll } from './servers.mjs'

const CASES = [...proxyCases, 'deletion', 'catalog']
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    mebibytes: { type: 'string', default: '512' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '16' },
    only: { type: 'string', default: CASES.join(',') },
    sizes: { type: 'string', default: '1000,10000,100000' },
    directory: { type: 'string', default: tmpdir() }
  }
})
const only = values.only.split(',')
const unknown = only.filter((name) => !CASES.includes(name))
if (unknown.length > 0) throw new Error(`--only knows ${CASES.join(', ')}; not ${unknown.join(', ')}`)

const directories = new Set()
let finished
/** Once, however the run ends: a signal also makes what runs at that moment fail. */
function finish () {
  finished ??= stopAll().then(() => {
    directories.forEach(removeTree)
  })
  return finished
}
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => { void finish().then(() => process.exit(1)) })

try {
  const { rounds, mebibytes, seconds, connections } = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Number(value)]))
  if (only.some((name) => proxyCases.includes(name))) await benchProxy({ rounds, mebibytes, seconds, connections, only }, directories)
  if (only.includes('deletion')) await benchDeletion({ sizes: values.sizes.split(',').map(Number), directory: values.directory }, directories)
  if (only.includes('catalog')) await benchCatalog({ sizes: values.sizes.split(',').map(Number), directory: values.directory }, directories)
} finally {
  await finish()
}
