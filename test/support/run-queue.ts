/** Adds to a queue of notifications until it is killed, and says after each that it is there. */
import { DiskQueue } from '../../src/notifications/queue.js'

const queue = await DiskQueue.open(process.argv[2]!, 100_000)
for (let number = 1; ; number++) {
  await queue.add(JSON.stringify({ number, filling: 'x'.repeat(20_000) }))
  process.stdout.write(`${number}\n`)
}
