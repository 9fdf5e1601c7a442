import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Child } from './child.js'

/** How often a started program is looked at. Seconds. */
const LOOK_SECONDS = 0.05

/**
 * Waits until a started program accepts connections on a port of 127.0.0.1.
 * @returns `false` when it ended, did not do so in time, or `signal` aborted.
 */
export async function waitListening (child: Child, port: number, withinSeconds: number, signal: AbortSignal): Promise<boolean> {
  const limit = Date.now() + withinSeconds * 1000
  while (Date.now() < limit && !signal.aborted) {
    const isAccepted = await accepts(port)
    // Looked at after the connection: when another program has taken the port, it is that one which accepts, and ours ends.
    if (await endsWithin(child, LOOK_SECONDS)) return false
    if (isAccepted) return true
  }
  return false
}

function endsWithin (child: Child, seconds: number): Promise<boolean> {
  return Promise.race([child.ended.then(() => true), delay(seconds * 1000, false)])
}

function accepts (port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => { socket.destroy(); resolve(true) })
    socket.once('error', () => resolve(false))
  })
}

/** The line of a registry's output that says why it ended. */
export function reasonIn (output: string): string {
  const lines = output.split('\n').map((line) => line.trim()).filter((line) => line !== '')
  // A panic is told first, and followed by its stack; a configuration error is followed by the usage.
  const reason = lines.find((line) => /^panic:|^configuration error:|level=(fatal|panic)/.test(line)) ?? lines.at(-1)
  return reason ?? 'it said nothing'
}
