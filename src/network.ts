/** Which network an address counts as. Pure. */
import { isIPv6 } from 'node:net'

/** Groups of an IPv6 address that name the network: whoever has one machine usually has a /64 (RFC 6177, RFC 7421). */
const NETWORK_GROUPS = 4

/** @returns an IPv4 address as it is, also where IPv6 carries it (`::ffff:192.0.2.1`); the /64 of an IPv6 one; anything else as it is */
export function networkOf (address: string): string {
  if (!isIPv6(address)) return address
  const groups = groupsOf(address)
  const [high, low] = groups.slice(6) as [number, number]
  if (groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff) return [high >> 8, high & 255, low >> 8, low & 255].join('.')
  return `${groups.slice(0, NETWORK_GROUPS).map(group => group.toString(16)).join(':')}::/64`
}

/** The eight groups of an address, in whichever way it is written (RFC 4291, section 2.2). */
function groupsOf (address: string): number[] {
  const [head = '', tail] = address.replace(/%.*$/, '').split('::')
  const [before, after] = [numbers(head), numbers(tail ?? '')]
  return tail === undefined ? before : [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
}

/** Groups that are written out; the last two may be an IPv4 address. */
function numbers (text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (!group.includes('.')) return [parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}
