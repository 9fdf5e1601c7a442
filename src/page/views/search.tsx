/** A field for searching, which waits for a pause in the typing. */
import { h } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'

/** Milliseconds. */
const PAUSE = 150

export function Search ({ label, example, typed, onType }: { readonly label: string, readonly example: string, readonly typed: string, readonly onType: (text: string) => void }) {
  const [text, setText] = useState(typed)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => { clearTimeout(timer.current) }, [])
  const changed = (value: string): void => {
    setText(value)
    clearTimeout(timer.current)
    timer.current = setTimeout(() => { onType(value) }, PAUSE)
  }
  return <label class='search'>{label}<input type='search' value={text} autocapitalize='none' spellcheck={false} placeholder={`part of a name, or ${example}`} onInput={event => { changed(event.currentTarget.value) }} /></label>
}
