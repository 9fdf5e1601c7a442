/** A set-up that cannot work: the message says what was found, about what, and what to do next. */
export class SetupError extends Error {
  override readonly name = 'SetupError'
}
