// npm run bench: how fast Delgate is beside nginx and beside the registry alone. Arguments after -- go to bench/main.mjs.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { build, fail, installDependencies } from './lib/project.mjs'
import { obtainRegistry } from './lib/registry-binary.mjs'
import { root } from './lib/run.mjs'

await installDependencies()
await build()
const registry = await obtainRegistry().catch((error) => fail(error.message))

const child = spawn(process.execPath, [join(root, 'bench', 'main.mjs'), ...process.argv.slice(2)], {
  env: { ...process.env, DELGATE_REGISTRY_BIN: registry },
  stdio: 'inherit'
})
// The terminal sends a Ctrl-C to both; what only this process gets is passed on.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.once('error', (error) => fail(error.message))
child.once('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
