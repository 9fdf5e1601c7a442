/** What the user sees: lines, tables, one JSON document, and a line that shows how far something is. */
import { once } from 'node:events'
import type { Writable } from 'node:stream'

/** The part of a terminal's stream that is used. */
export type Stream = Writable & { readonly isTTY?: boolean, readonly columns?: number }

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const
export type Style = keyof typeof CODES

/** Back to the start of the line, which is cleared. */
const ANEW = '\r\u001b[K'
const NARROW_COLUMNS = 80
const BAR_CHARACTERS = 24

/** Control characters in what a gate sends could write anything to the terminal, and ends of lines feign lines. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000e-\u001f\u007f-\u009f]/g
export const printable = (text: string): string => text.replaceAll(/[\t-\r]+/g, ' ').replaceAll(CONTROL, '?')

/** A part of a line in a style, where the output is a terminal that shows such. */
export interface Painted {
  readonly style: Style
  readonly text: string
}
export const paint = (style: Style, text: string): Painted => ({ style, text })

export class Output {
  readonly #colours: boolean
  #shown = ''

  /** @param json whether standard output is JSON alone */
  constructor (private readonly out: Stream, private readonly err: Stream, environment: Readonly<Record<string, string | undefined>>, readonly json: boolean) {
    this.#colours = this.isTerminal && !environment['NO_COLOR'] && environment['TERM'] !== 'dumb'
  }

  get isTerminal (): boolean { return this.out.isTTY === true }

  /** Writes to standard output as it is, and waits while whoever reads is behind. */
  async write (text: string): Promise<void> {
    this.clear()
    if (!this.out.write(text)) await once(this.out, 'drain')
  }

  /** One line for people, of parts; nothing with `--json`. */
  async line (...parts: ReadonlyArray<string | Painted>): Promise<void> {
    if (!this.json) await this.write(`${parts.map(part => typeof part === 'string' ? printable(part) : this.#coloured(part)).join('')}\n`)
  }

  /** Names for scripts, one a line: only what `parse` takes for one, since a shell may get them. */
  async names (names: readonly string[], parse: (text: string) => string | undefined): Promise<void> {
    await this.write(names.filter(name => parse(name) !== undefined).map(name => `${name}\n`).join(''))
  }

  /** The one JSON document of a command; nothing without `--json`. */
  async document (value: unknown): Promise<void> { if (this.json) await this.write(`${JSON.stringify(value, null, this.isTerminal ? 2 : 0)}\n`) }

  /** A line on standard error. */
  note (text: string): void {
    this.clear()
    this.err.write(`${printable(text)}\n`)
  }

  /**
   * Shows how far something is: on a terminal in one line that changes.
   * @param share of what is done, 0 to 1, where that is known
   */
  progress (text: string, share?: number): void {
    if (this.json || !this.isTerminal) return
    const bar = share === undefined ? '' : `[${'#'.repeat(Math.round(share * BAR_CHARACTERS)).padEnd(BAR_CHARACTERS, '-')}] `
    this.#shown = printable(`${bar}${text}`).slice(0, (this.out.columns || NARROW_COLUMNS) - 1)
    this.out.write(ANEW + this.#shown)
  }

  /** Takes the line of progress away. */
  clear (): void {
    if (this.#shown === '') return
    this.#shown = ''
    this.out.write(ANEW)
  }

  #coloured ({ style, text }: Painted): string {
    return this.#colours ? `\u001b[${CODES[style]}m${printable(text)}\u001b[0m` : printable(text)
  }
}

/** A JSON document that is an object with one long list: written item by item, so that it never is in memory. */
export class JsonList {
  #count = 0
  constructor (private readonly output: Output, private readonly name: string) {}

  async add (items: readonly unknown[]): Promise<void> {
    let text = ''
    for (const item of items) text += `${this.#count++ === 0 ? `{"${this.name}":[` : ','}\n${JSON.stringify(item)}`
    if (text !== '') await this.output.write(text)
  }

  /** @param rest the other keys of the object */
  async end (rest: object): Promise<void> {
    const others = JSON.stringify(rest).slice(1)
    await this.output.write(`${this.#count === 0 ? `{"${this.name}":[` : '\n'}]${others === '}' ? '' : ','}${others}\n`)
  }
}

export interface Column {
  readonly title: string
  readonly right?: boolean
}

/** Rows in columns, page by page: a later page with longer cells makes the columns wider from there on. */
export class Table {
  readonly #widths: number[]
  #begun = false

  constructor (private readonly output: Output, private readonly columns: readonly Column[]) {
    this.#widths = columns.map(({ title }) => title.length)
  }

  async rows (rows: ReadonlyArray<readonly string[]>): Promise<void> {
    if (rows.length === 0) return
    const shown = rows.map(row => row.map(printable))
    for (const row of shown) row.forEach((cell, at) => { this.#widths[at] = Math.max(this.#widths[at]!, cell.length) })
    if (!this.#begun) await this.output.line(paint('bold', this.#format(this.columns.map(({ title }) => title))))
    this.#begun = true
    await this.output.write(shown.map(row => `${this.#format(row)}\n`).join(''))
  }

  #format (cells: readonly string[]): string {
    return cells.map((cell, at) => this.columns[at]!.right === true ? cell.padStart(this.#widths[at]!) : cell.padEnd(this.#widths[at]!)).join('  ').trimEnd()
  }
}
