/** Small things that several views show. */
import { h, Fragment, type ComponentChildren } from 'preact'
import { formatAgo } from '../model/format.js'

/** A view's title; it takes the focus when somebody comes here. */
export function Title ({ children }: { readonly children: ComponentChildren }) {
  return <h1 tabIndex={-1}>{children}</h1>
}

/** Something went wrong. */
export function Problem ({ text, onAgain }: { readonly text: string | undefined, readonly onAgain?: () => void }) {
  if (text === undefined) return <Fragment />
  return <div class='problem' role='alert'><p>{text}</p>{onAgain === undefined ? <Fragment /> : <button type='button' onClick={onAgain}>Try again</button>}</div>
}

/** The sizes are not yet what they will be. */
export function Incomplete ({ complete, measured }: { readonly complete?: boolean | undefined, readonly measured?: boolean | undefined }) {
  if (complete !== false && measured !== false) return <Fragment />
  if (complete !== false) return <p class='note' role='status'>Delgate still measures what is stored. Until it has, sizes are too small.</p>
  return <p class='note' role='status'>Delgate still reads what is stored. Until it has, sizes are too small and some tags may be missing.</p>
}

/** A time, as long ago as it is; the exact one on pointing at it. */
export function Ago ({ at, never = '–' }: { readonly at: string | null | undefined, readonly never?: string }) {
  if (at === null || at === undefined) return <span class='faint'>{never}</span>
  return <time dateTime={at} title={new Date(at).toLocaleString()}>{formatAgo(at, Date.now())}</time>
}

/** The way to the pages before and after. */
export function Pager ({ onPrevious, onNext, what }: { readonly onPrevious: (() => void) | undefined, readonly onNext: (() => void) | undefined, readonly what: string }) {
  if (onPrevious === undefined && onNext === undefined) return <Fragment />
  return (
    <nav class='pager' aria-label={`Pages of ${what}`}>
      <button type='button' disabled={onPrevious === undefined} onClick={onPrevious}>← Previous</button>
      <button type='button' disabled={onNext === undefined} onClick={onNext}>Next →</button>
    </nav>
  )
}

/** What something uses, as a bar: what only it has, and what it shares. @param most the bytes that fill the bar */
export function Share ({ own, bytes, most }: { readonly own: number, readonly bytes: number, readonly most: number }) {
  const percent = (size: number): number => most === 0 ? 0 : size / most * 100
  return (
    <svg class='share' viewBox='0 0 100 6' preserveAspectRatio='none' aria-hidden='true'>
      <rect class='ground' width='100' height='6' />
      <rect class='fill-shared' width={percent(bytes)} height='6' />
      <rect class='fill-freed' width={percent(Math.min(own, bytes))} height='6' />
    </svg>
  )
}

/** A square in the colour of a part of a picture. */
export function Key ({ kind }: { readonly kind: string }) {
  return <svg class='key' viewBox='0 0 10 10' aria-hidden='true'><rect class={`fill-${kind}`} width='10' height='10' rx='2' /></svg>
}

/** What the colours of `Share` mean. */
export function ShareKey ({ own, shared }: { readonly own: string, readonly shared: string }) {
  return <ul class='legend below'><li><Key kind='freed' />{own}</li><li><Key kind='shared' />{shared}</li></ul>
}

/** A term and its value. */
export function Fact ({ name, children }: { readonly name: string, readonly children: ComponentChildren }) {
  return <div class='fact'><dt>{name}</dt><dd>{children}</dd></div>
}
