/** Runs a process controller until it is killed: the Delgate that a test ends with `kill -9`. */
import { ProcessController } from '../../src/registry/process.js'
import type { ProcessOptions } from '../../src/registry/process.js'

const silent = { info: () => {}, warn: () => {}, error: () => {} }
const controller = new ProcessController(JSON.parse(process.argv[2]!) as ProcessOptions, silent)
await controller.start()
process.stdout.write(`registry ${controller.pid}\n`)
if (process.argv[3] === 'restart') {
  // The old registry is needed for ever.
  await controller.restart(new AbortController().signal, () => new Promise(() => {}))
  process.stdout.write('restarted\n')
}
if (process.argv[3] === 'collect') await controller.collect(new AbortController().signal)
setInterval(() => {}, 1000)
