/** Writes to a log of decisions in a process of its own, whose files may not be larger than 8 KiB: what a full disk does. */
import { execFileSync } from 'node:child_process'
import { AuditLog } from '../../src/audit/log.js'

const [file, reason, count] = process.argv.slice(2) as [string, string, string]
const limit = (bytes: string): void => { execFileSync('prlimit', ['--pid', `${process.pid}`, `--fsize=${bytes}:`]) }
// Otherwise it would be the end of the process; so the write fails.
process.on('SIGXFSZ', () => {})
const problems: Array<string | undefined> = []
const log = await AuditLog.open({ file, maximumBytes: 1_000_000, keepFiles: 1 }, problem => { problems.push(problem) })
limit('8192')
for (let number = 0; number < Number(count); number++) {
  await log.record({ action: 'delete', outcome: 'refused', who: { user: `${number}` }, target: { type: 'everything' }, reason })
}
limit('unlimited')
process.stdout.write(JSON.stringify(problems), () => { process.exit() })
