/**
 * What Go makes of a query (net/url, ParseQuery and QueryUnescape; net/http, Request.FormValue), written down anew: bytes
 * in, bytes out, as latin1; what cannot be decoded is passed over.
 */

/** @returns the first value under a name; empty where there is none */
export function goFormValue (query: string, name: string): string {
  for (const part of Buffer.from(query).toString('latin1').split('&')) {
    if (part === '' || part.includes(';')) continue
    const at = part.indexOf('=')
    const key = unescaped(at === -1 ? part : part.slice(0, at))
    const value = unescaped(at === -1 ? '' : part.slice(at + 1))
    if (key === name && value !== undefined) return value
  }
  return ''
}

function unescaped (text: string): string | undefined {
  if (/%(?![0-9a-f]{2})/i.test(text)) return undefined
  return text.replaceAll('+', ' ').replace(/%([0-9a-f]{2})/gi, (_whole, code: string) => String.fromCharCode(parseInt(code, 16)))
}
