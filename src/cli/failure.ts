/** How a command ends: its exit code, and one line that says why. */

/** Exit codes; docs/cli.md lists them. */
export const EXIT = {
  done: 0,
  /** It did not work out: a job failed, the user said no, doctor found a problem. */
  failed: 1,
  /** The command line is wrong. Nothing was asked of the gate. */
  usage: 2,
  /** Somebody does not allow it: wrong credentials, no rights, protected, in use. */
  refused: 3,
  /** There is no such repository, tag, manifest or job. */
  unknown: 4,
  /** No gate answers there, or no registry behind it. */
  unreachable: 5,
  /** Ctrl-C. What the gate has accepted goes on. */
  interrupted: 130
} as const

export type ExitCode = typeof EXIT[keyof typeof EXIT]

/** A command that cannot go on. Its message is one line for the user: what happened, to what, and what to do next. */
export class Failure extends Error {
  override readonly name = 'Failure'

  constructor (readonly exitCode: ExitCode, message: string) {
    super(message.replaceAll(/\s*\n\s*/g, ' '))
  }
}

/** Somebody pressed Ctrl-C. */
export class Interrupted extends Failure {
  /** @param message what goes on nevertheless; empty when there is nothing to say */
  constructor (message = '') { super(EXIT.interrupted, message) }
}

/** The end of a message about something unknown: the nearest name, when one is near. */
export const didYouMean = (name: string | undefined): string => name === undefined ? '' : `; did you mean ${name}?`
