/** Questions at a terminal. Asked on standard error, so that standard output can go elsewhere. */
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { Interrupted } from './failure.js'
import { printable } from './output.js'

/**
 * Asks for one line. The end of the input is an empty answer.
 * @param hidden whether what is typed is not shown
 * @throws Interrupted after Ctrl-C
 */
export async function question (asked: string, { hidden = false }: { readonly hidden?: boolean } = {}): Promise<string> {
  const text = printable(asked)
  const silent = new Writable({ write: (_chunk, _encoding, done) => { done() } })
  const lines = createInterface({ input: process.stdin, output: hidden ? silent : process.stderr, terminal: true, historySize: 0 })
  // Not before the terminal has stopped to show by itself what is typed.
  process.stderr.write(text)
  try {
    return await new Promise((resolve, reject) => {
      lines.once('line', resolve)
      lines.once('SIGINT', () => { reject(new Interrupted()) })
      lines.once('close', () => { resolve('') })
      if (!hidden) lines.setPrompt(text)
    })
  } finally {
    lines.close()
    if (hidden) process.stderr.write('\n')
  }
}

/** Standard input to its end. */
export async function readInput (): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
