/** `delgate doctor`: looks at the whole set-up and says in plain words what is wrong, and how to mend it. */
import type { Finding } from '../../findings/finding.js'
import { checkGate } from '../doctor/gate.js'
import { EXIT, type ExitCode } from '../failure.js'
import { paint, type Output } from '../output.js'
import type { Session } from '../session.js'

const MARKS = { ok: ['green', 'OK     '], warning: ['yellow', 'WARNING'], problem: ['red', 'PROBLEM'] } as const

/** Asks a running gate. */
export async function diagnose (session: Session): Promise<ExitCode> { return await report(checkGate(session), session.output) }

/** @returns failed when there is a problem; warnings are none */
export async function report (findings: AsyncIterable<Finding>, output: Output): Promise<ExitCode> {
  const all: Finding[] = []
  for await (const finding of findings) {
    all.push(finding)
    const [style, mark] = MARKS[finding.level]
    await output.line(paint(style, mark), `  ${finding.what}: ${finding.found}`)
    if (finding.mend !== undefined) await output.line(`         → ${finding.mend}`)
  }
  const number = (level: Finding['level']): number => all.filter(one => one.level === level).length
  await output.document({ ok: number('problem') === 0, findings: all })
  await output.line(`${number('ok')} fine, ${number('warning')} to look at, ${number('problem')} wrong`)
  return number('problem') > 0 ? EXIT.failed : EXIT.done
}
