// GETs over a number of kept connections for some seconds, where wrk is missing. Prints what wrk prints of it.
import { Agent, get } from 'node:http'

const [url, accept, connections, seconds] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true, maxSockets: Number(connections) })
const start = performance.now()
const end = start + Number(seconds) * 1000
let requests = 0

const once = () => new Promise((resolve, reject) => {
  get(url, { agent, headers: { accept } }, (answer) => {
    if (answer.statusCode !== 200) reject(new Error(`status ${answer.statusCode}`))
    answer.once('end', resolve).once('error', reject).resume()
  }).once('error', reject)
})

await Promise.all(Array.from({ length: Number(connections) }, async () => {
  while (performance.now() < end) {
    await once()
    requests++
  }
}))
console.log(`${requests} requests in ${((performance.now() - start) / 1000).toFixed(2)}s`)
agent.destroy()
