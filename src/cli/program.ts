/** The command line: every command with its arguments and flags, and what carries it out. */
import { Argument, Command, CommanderError, Option } from 'commander'
import { nearest } from '../config/nearest.js'
import type { Finding } from '../findings/finding.js'
import { cancelJob } from './commands/cancel.js'
import { showUsage } from './commands/df.js'
import { diagnose, report } from './commands/doctor.js'
import { emptyTrash } from './commands/empty-trash.js'
import { collect } from './commands/gc.js'
import { followJob } from './commands/job.js'
import { listJobs } from './commands/jobs.js'
import { listRepositories } from './commands/ls.js'
import { prune } from './commands/prune.js'
import { remove } from './commands/rm.js'
import { listTags } from './commands/tags.js'
import { undoJob } from './commands/undo.js'
import { completionScript } from './completion.js'
import { EXIT, Failure, Interrupted, type ExitCode } from './failure.js'
import { Output, printable } from './output.js'
import { withCommonOptions, withSession, type CommonOptions, type Session, type World } from './session.js'

/** What the client cannot do itself. */
export interface Handed {
  /** The help of `serve`: all settings. */
  readonly settingsHelp: () => Promise<string>
  /** Looks at a set-up in which no gate runs, by its settings file. */
  readonly inspect: (config: string) => AsyncIterable<Finding>
}

/**
 * Carries out one command.
 * @param argv the command and its arguments
 * @returns the exit code; what went wrong has been said in one line on standard error
 */
export async function runCommand (argv: readonly string[], world: World, handed: Handed): Promise<ExitCode> {
  let code: ExitCode = EXIT.done
  const program = createProgram(world, handed, ended => { code = ended })
  try {
    await program.parseAsync(argv, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return usageCode(error, program, argv, world)
    if (!(error instanceof Failure)) throw error
    if (error.message !== '') world.err.write(`delgate: ${printable(error.message)}\n`)
    else if (error instanceof Interrupted && world.err.isTTY === true) world.err.write('\n')
    return error.exitCode
  }
}

function createProgram (world: World, handed: Handed, done: (code: ExitCode) => void): Command {
  const program = new Command('delgate')
    .description('A gate in front of an unmodified Docker/OCI registry that makes DELETE really delete, and its client.')
    .helpCommand(false)
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ writeOut: text => { world.out.write(text) }, writeErr: () => {} })
    .addHelpText('after', '\ndelgate help COMMAND says more. Without a command, or with flags first, it is serve.')
  const command = (usage: string, description: string): Command => program.command(usage).description(description)
  /** A command that talks to the gate. */
  const client = <Options>(definition: Command, work: (options: Options, session: Session, texts: readonly string[]) => Promise<ExitCode>, named: 'gate' | 'plain'): void => {
    withCommonOptions(definition).action(async (...given: unknown[]) => {
      const options = definition.opts<CommonOptions & Options>()
      const texts = given.slice(0, -2).flat().filter((text): text is string => typeof text === 'string')
      done(await withSession(options, named === 'gate' ? texts : [], world, async session => await work(options, session, texts)))
    })
  }
  client(command('ls', 'list the repositories, with their sizes').argument('[prefix]', 'only those whose names begin like this')
    .option('--match <glob>', 'only those that match').addOption(new Option('--sort <by>', 'by name, or the largest first').choices(['name', 'bytes'])).option('-q, --quiet', 'names only'), listRepositories, 'gate')
  client(command('tags', 'list the tags of a repository, with what each one holds').argument('<repository>')
    .option('--match <glob>', 'only those that match').option('--no-trunc', 'digests whole').option('-q, --quiet', 'names only'), listTags, 'gate')
  client(command('df', 'show what is stored, shared, garbage, and in the trash').option('--wait', 'until everything is measured'), showUsage, 'gate')
  client(command('rm', 'delete tags, manifests and repositories').argument('[reference...]', 'REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST; * ** and ? in names and tags')
    .option('--recursive', 'also the repositories below').option('--all-tags', 'every tag of the repository').option('--all', 'every repository')
    .option('--dry-run', 'show what would go, and delete nothing').option('-y, --yes', 'do not ask').option('--wait', 'until the room is there'), remove, 'gate')
  client(command('gc', 'collect what nothing uses').option('--full', 'compare all blobs with what uses them; a collection by request always does')
    .option('--untagged', 'also delete manifests that no tag reaches').option('-y, --yes', 'do not ask').option('--wait', 'until it has ended'), collect, 'gate')
  const repository = (definition: Command): Command => definition.addOption(new Option('--repository <name...>', 'where rights come as tokens: the repositories that the job is about'))
  client(repository(command('jobs', 'list the jobs, the newest first').addOption(new Option('--state <state>', 'only those in it').choices(['queued', 'running', 'done', 'failed', 'cancelled'])).option('--limit <number>', 'how many at most', '100')), listJobs, 'gate')
  client(repository(command('job', 'follow a job until it has ended').argument('<id>')), async (options: { repository?: string[] }, session, [id = '']) => await followJob(id, options, session), 'plain')
  client(repository(command('cancel', 'cancel a job that still waits; what it has deleted stays deleted').argument('<id>')), async (options: { repository?: string[] }, session, [id = '']) => await cancelJob(id, options, session), 'plain')
  client(repository(command('undo', 'put back what a job removed, while the trash keeps it').argument('<id>')), async (options: { repository?: string[] }, session, [id = '']) => await undoJob(id, options, session), 'plain')
  client(command('empty-trash', 'free what the trash keeps; it cannot be undone any more').option('--dry-run', 'show what is in the trash, and free nothing').option('-y, --yes', 'do not ask'), emptyTrash, 'gate')
  client(command('prune', 'carry out the retention rules').option('--dry-run', 'show each tag with the rule that decides it, and delete nothing')
    .option('-y, --yes', 'do not ask').option('--wait', 'until the room is there'), prune, 'gate')
  addDoctor(command('doctor', 'check the whole set-up, and say how to mend it'), world, handed, done)
  command('serve', 'serve as the gate; all settings are flags').argument('[settings...]').allowUnknownOption().action(() => {})
  command('completion', 'print the completion for a shell').addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish'])).action((shell: string) => { world.out.write(completionScript(shell, program)) })
  addHelp(command('help', 'say more about a command').argument('[command]'), program, world, handed)
  return program
}

function addDoctor (definition: Command, world: World, { inspect }: Handed, done: (code: ExitCode) => void): void {
  withCommonOptions(definition.option('--config <file>', 'look yourself, by the gate\'s settings file: for a gate that does not start')).action(async () => {
    const options = definition.opts<CommonOptions & { config?: string }>()
    if (options.config === undefined) done(await withSession(options, [], world, diagnose))
    else done(await report(inspect(options.config), new Output(world.out, world.err, world.environment, options.json === true)))
  })
}

function addHelp (definition: Command, program: Command, world: World, { settingsHelp }: Handed): void {
  definition.action(async (name?: string) => {
    if (name === 'serve') world.out.write(await settingsHelp())
    else if (name === undefined) program.outputHelp()
    else (program.commands.find(one => one.name() === name) ?? unknownCommand(name, program)).outputHelp()
  })
}

function unknownCommand (name: string, program: Command): never {
  const near = nearest(name, program.commands.map(one => one.name()))
  throw new Failure(EXIT.usage, `there is no command ${name}; ${near === undefined ? 'delgate help lists them' : `did you mean delgate ${near}?`}`)
}

/** What the parser says, in one line, with what was probably meant. */
function usageCode (error: CommanderError, program: Command, [name = '']: readonly string[], world: World): ExitCode {
  if (error.exitCode === 0) return EXIT.done // Help was asked for.
  const command = program.commands.find(one => one.name() === name)
  const unknown = /^error: unknown option '(-[^'=]+)/.exec(error.message)?.[1]
  const flags = command?.options.flatMap(({ long }) => long ?? []) ?? []
  const near = unknown === undefined ? undefined : nearest(unknown, flags)
  const said = command === undefined ? messageOf(() => unknownCommand(name, program)) : `${error.message.replace(/^error: /, '').replace(/\.$/, '')}; ${near === undefined ? `see: delgate help ${name}` : `did you mean ${near}?`}`
  world.err.write(`delgate: ${printable(said)}\n`)
  return EXIT.usage
}

function messageOf (throws: () => never): string {
  try {
    return throws()
  } catch (error) {
    return (error as Error).message
  }
}
