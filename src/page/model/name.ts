/** Names of repositories by the grammar of OCI distribution-spec v1.1, at most as long as distribution allows. Pure. */

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const NAME = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`)
const MAXIMUM_LENGTH = 255

export const isRepositoryName = (text: string): boolean => text.length <= MAXIMUM_LENGTH && NAME.test(text)
