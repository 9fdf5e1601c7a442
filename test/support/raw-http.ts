/** Requests as bytes: what no client library would send. */
import { connect } from 'node:net'

export interface RawAnswer {
  /** Everything that came, as latin1. */
  readonly text: string
  /** Of each answer. */
  readonly statuses: readonly number[]
  /** The other side closed the connection, or broke it. */
  readonly closed: boolean
}

/** Sends bytes in some pieces; resolves when the other side closes, or is silent for a time after an answer. */
export async function sendRaw (base: string, pieces: readonly Buffer[], { silence = 150, within = 5_000 } = {}): Promise<RawAnswer> {
  const { hostname, port } = new URL(base)
  const socket = connect(Number(port), hostname)
  const chunks: Buffer[] = []
  return await new Promise(resolve => {
    let quiet: NodeJS.Timeout | undefined
    const end = (closed: boolean): void => {
      clearTimeout(quiet)
      clearTimeout(late)
      socket.destroy()
      const text = Buffer.concat(chunks).toString('latin1')
      resolve({ text, closed, statuses: [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(match => Number(match[1])) })
    }
    const late = setTimeout(() => { end(false) }, within)
    socket.on('data', chunk => {
      chunks.push(chunk)
      clearTimeout(quiet)
      quiet = setTimeout(() => { end(false) }, silence)
    })
    socket.on('error', () => {})
    socket.on('close', () => { end(true) })
    const write = (at: number): void => {
      if (at < pieces.length && socket.writable) socket.write(pieces[at]!, () => { setImmediate(write, at + 1) })
    }
    write(0)
  })
}
