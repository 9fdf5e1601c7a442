/** Who a caller says to be, by the `Authorization` header. Pure. Whether it is true is for others to find out. */

/** Longest name that is looked at, characters. */
const NAME_MAXIMUM = 256

/** Name and password of basic authentication (RFC 7617). */
export interface BasicCredentials {
  readonly user: string
  readonly password: string
}

/** @returns `undefined` for anything but well-formed basic authentication */
export function basicOf (authorization: string | undefined): BasicCredentials | undefined {
  const [, encoded] = /^basic +([A-Za-z0-9+/]+=*)$/i.exec(authorization ?? '') ?? []
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon === -1 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** The name that a caller gives: the user of basic authentication, or the `sub` of a token (distribution, token authentication). */
export function claimedUser (authorization: string | undefined): string | undefined {
  const name = basicOf(authorization)?.user ?? subjectOf(authorization)
  return name === undefined || name === '' || name.length > NAME_MAXIMUM ? undefined : name
}

function subjectOf (authorization: string | undefined): string | undefined {
  const [, payload] = /^bearer +[\w-]+\.([\w-]+)\.[\w-]+$/i.exec(authorization ?? '') ?? []
  if (payload === undefined) return undefined
  try {
    const { sub } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as { sub?: unknown }
    return typeof sub === 'string' ? sub : undefined
  } catch {
    return undefined
  }
}
