/** A dialog above the page: the browser's own, which keeps the focus inside and gives it back. */
import { h, type ComponentChildren } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'

export interface DialogParts {
  readonly title: string
  /** On Escape; without it, the dialog stays. */
  readonly onClose?: () => void
  /** Whether what opened it is about to go: then the view's title has the focus afterwards. */
  readonly leavesNothing?: boolean
  /** Whether something inside takes the focus; otherwise the title does, to be read from there on. */
  readonly focusesInside?: boolean
  readonly children: ComponentChildren
}

let dialogs = 0

export function Dialog ({ title, onClose, leavesNothing = false, focusesInside = false, children }: DialogParts) {
  const element = useRef<HTMLDialogElement>(null)
  const id = useRef(`dialog-${++dialogs}`).current
  const leaves = useRef(leavesNothing)
  leaves.current = leavesNothing
  // While it is still there: closing it gives the focus back.
  useLayoutEffect(() => {
    const dialog = element.current!
    dialog.showModal()
    return () => {
      dialog.close()
      if (leaves.current) document.querySelector<HTMLElement>('h1')?.focus()
    }
  }, [])
  // A second Escape would close it even where the first was refused.
  return (
    <dialog ref={element} aria-labelledby={id} onCancel={event => { event.preventDefault(); onClose?.() }} onKeyDown={event => { if (event.key === 'Escape') { event.preventDefault(); onClose?.() } }}>
      <h2 id={id} tabIndex={-1} autofocus={!focusesInside}>{title}</h2>
      {children}
    </dialog>
  )
}
