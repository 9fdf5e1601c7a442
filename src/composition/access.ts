/** Who may delete: the parts of it, put together as the settings ask for. */
import { Access } from '../access/access.js'
import { Failures } from '../access/failures.js'
import { Htpasswd } from '../access/htpasswd.js'
import type { RegistryFacts } from '../config/registry-config.js'
import type { Settings } from '../config/schema.js'
import { parseRepositoryName } from '../oci/name.js'
import type { RegistryClient } from '../registry/client.js'
import { SetupError } from '../setup-error.js'
import type { Log } from './collection.js'

/** Ways of the registry that let whoever is known do anything anywhere (registry/auth/htpasswd, registry/auth/silly). */
const SAME_FOR_ALL: readonly string[] = ['none', 'htpasswd', 'silly']
/** Asked about to find out whether strangers are let delete; it need not exist. */
const ANY_REPOSITORY = parseRepositoryName('delgate-asks')!

/** Whether the registry may let somebody delete in one repository and not in another, as with tokens. */
const isPerRepository = (facts: RegistryFacts): boolean => facts.assumed || !SAME_FOR_ALL.includes(facts.auth)

/** Whether the registry has to be asked about each repository by itself. */
export const asksForEach = ({ access }: Settings, facts: RegistryFacts): boolean => access.ways.includes('registry') && isPerRepository(facts)

export async function createAccess ({ access }: Settings, facts: RegistryFacts, registry: RegistryClient, log: Log): Promise<Access> {
  const { ways, htpasswd, failedAttempts, failedSeconds } = access
  if (ways.includes('htpasswd') && htpasswd === undefined) throw new SetupError('setting "access.htpasswd" is missing: the way "htpasswd" needs the file of users')
  const users = htpasswd !== undefined && ways.includes('htpasswd')
    ? await Htpasswd.open(htpasswd, err => { log.warn({ err }, 'the file of users cannot be read; what was read last holds') })
    : undefined
  return new Access({
    registry,
    registryDecides: ways.includes('registry'),
    htpasswd: users,
    registryChallenges: facts.assumed ? undefined : facts.auth !== 'none',
    perRepository: isPerRepository(facts),
    failures: new Failures({ attempts: failedAttempts, seconds: failedSeconds })
  })
}

/** Says so when whoever reaches the port can delete everything. To be asked once the registry answers. */
export async function warnIfOpen (access: Access, host: string, log: Log): Promise<void> {
  const isOpen = access.isOpen || (await access.delete(ANY_REPOSITORY, { address: 'the start' }).catch(() => undefined))?.outcome === 'allowed'
  if (isOpen) log.warn({ host }, 'anybody who reaches this port can delete everything: nobody asks for credentials. Give the registry an auth section, or set access.ways and access.htpasswd')
}
