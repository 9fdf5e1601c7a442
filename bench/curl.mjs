// curl makes the large transfers: it costs far less CPU time than a client in Node.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export const run = promisify(execFile)
/** The longest that one measurement may take, seconds. */
export const LIMIT_SECONDS = 120

/** Runs curl for one transfer; resolves to the seconds it took. It asks for no `100 Continue`: all targets alike. */
export async function curl (args, status) {
  const { stdout } = await run('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code} %{time_total}', '--max-time', String(LIMIT_SECONDS), '-H', 'Expect:', ...args])
  const [code, seconds] = stdout.split(' ')
  if (Number(code) !== status) throw new Error(`expected ${status}, got ${code}: curl ${args.join(' ')}`)
  return Number(seconds)
}
