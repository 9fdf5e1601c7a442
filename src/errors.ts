/**
 * The catalogue of coded errors: everything that Delgate itself answers with a 4xx or 5xx is made here, so that
 * each code has one status and every body has the shape of OCI distribution-spec v1.1, "Error Codes".
 */

/** Codes of the distribution-spec, plus `TOOMANYREQUESTS` and `UNAVAILABLE` as distribution uses them. */
export type ErrorCode =
  | 'NAME_INVALID' | 'NAME_UNKNOWN' | 'TAG_INVALID' | 'DIGEST_INVALID' | 'MANIFEST_UNKNOWN' | 'MANIFEST_INVALID' | 'MANIFEST_BLOB_UNKNOWN' | 'BLOB_UNKNOWN'
  | 'DENIED' | 'UNAUTHORIZED' | 'UNSUPPORTED' | 'TOOMANYREQUESTS' | 'UNAVAILABLE' | 'REQUEST_INVALID'
  | 'JOB_UNKNOWN' | 'JOB_NOT_QUEUED' | 'JOB_NOT_ENDED' | 'JOB_NOT_KEPT' | 'INTERNAL'

/** An error that may be shown to a client: its message names the thing and what to do, never a path of the machine. */
export class CodedError extends Error {
  readonly headers: Record<string, string>

  constructor (
    readonly statusCode: number,
    readonly code: ErrorCode,
    message: string,
    readonly detail?: unknown,
    headers: Record<string, string> = {}
  ) {
    super(message)
    this.name = 'CodedError'
    this.headers = headers
  }

  /** The body: OCI error JSON. */
  toJSON (): object {
    const entry = { code: this.code, message: this.message }
    return { errors: [this.detail === undefined ? entry : { ...entry, detail: this.detail }] }
  }
}

/**
 * Why something failed, for clients: the errors of Node's file system carry absolute paths, which stay on the machine.
 * Paths of the registry's tree are shown relative to it.
 */
export function publicReason (error: unknown): string {
  const { code, syscall, path, message } = error as NodeJS.ErrnoException
  if (code === undefined || syscall === undefined) return message
  const shown = path === undefined ? undefined : /(?:^|\/)((?:repositories|blobs)\/.*)$/.exec(path)?.[1]
  return `${code} on ${syscall}${shown === undefined ? '' : ` of ${shown}`}`
}

export const nameInvalid = (reason: string) => new CodedError(400, 'NAME_INVALID', `invalid repository name: ${reason}`)
export const nameUnknown = (name: string) => new CodedError(404, 'NAME_UNKNOWN', 'repository name not known to registry', { name })
export const tagInvalid = (reason: string) => new CodedError(400, 'TAG_INVALID', `invalid tag: ${reason}`)
export const digestInvalid = (reason: string) => new CodedError(400, 'DIGEST_INVALID', `invalid digest: ${reason}`)
export const manifestUnknown = (name: string, reference: string) => new CodedError(404, 'MANIFEST_UNKNOWN', 'manifest unknown', { name, reference })
export const blobUnknown = (name: string, digest: string) => new CodedError(404, 'BLOB_UNKNOWN', 'blob unknown to registry', { name, digest })
export const manifestInvalid = (reason: string) => new CodedError(400, 'MANIFEST_INVALID', `manifest invalid: ${reason}`)
export const manifestBlobUnknown = (digest: string) => new CodedError(400, 'MANIFEST_BLOB_UNKNOWN', 'manifest references a manifest or blob unknown to registry', { digest })
export const notStored = (name: string, digest: string) => new CodedError(500, 'INTERNAL', 'the registry accepted this manifest, but it could not be made sure that it is stored whole; push it again', { name, digest })
export const denied = (message: string, detail?: unknown) => new CodedError(409, 'DENIED', message, detail)
export const unauthorized = () => new CodedError(401, 'UNAUTHORIZED', 'authentication required')
export const isProtected = (rule: string, repository: string, tag: string | undefined) =>
  new CodedError(403, 'DENIED', `${tag === undefined ? `repository ${repository}` : `tag ${tag} of ${repository}`} is protected by the rule "${rule}" of Delgate's configuration`, { rule, repository, ...(tag === undefined ? {} : { tag }) })
export const crossSite = () => new CodedError(403, 'DENIED', 'another site may not ask for this in a browser; name its origin in cors.origins if it should')
export const unsupported = (message: string) => new CodedError(405, 'UNSUPPORTED', message)
export const requestInvalid = (message: string) => new CodedError(400, 'REQUEST_INVALID', message)
export const jobUnknown = (id: string) => new CodedError(404, 'JOB_UNKNOWN', 'no such job', { id })
export const jobNotQueued = (id: string, state: string) => new CodedError(409, 'JOB_NOT_QUEUED', `the job is ${state}; only a queued job can be cancelled`, { id, state })
export const jobNotEnded = (id: string, state: string) => new CodedError(409, 'JOB_NOT_ENDED', `the job is ${state}; it can be undone once it has ended`, { id, state })
export const jobNotKept = (id: string, reason: string, detail: object = {}) => new CodedError(410, 'JOB_NOT_KEPT', `the job cannot be undone: ${reason}`, { id, ...detail })
export const unavailable = (message: string, retryAfterSeconds = 5) =>
  new CodedError(503, 'UNAVAILABLE', message, undefined, { 'retry-after': String(retryAfterSeconds) })
export const badGateway = (message: string) => new CodedError(502, 'UNAVAILABLE', message)
