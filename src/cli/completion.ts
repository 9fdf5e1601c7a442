/**
 * Completion for shells, made from the commands themselves, so that it knows what they know. Commands and flags are in
 * the script; names of repositories are asked of the gate.
 */
import type { Command } from 'commander'
import { EXIT, Failure } from './failure.js'

interface Described {
  readonly name: string
  readonly description: string
  readonly flags: ReadonlyArray<{ readonly long: string, readonly short: string | undefined, readonly description: string, readonly values: readonly string[], readonly takesFile: boolean, readonly takesValue: boolean }>
  /** Words that the first argument may be. */
  readonly choices: readonly string[]
  /** Whether the arguments name repositories. */
  readonly names: boolean
}

function describe (command: Command): Described {
  const { flags } = { flags: command.options.filter(({ hidden, long }) => !hidden && long != null) }
  const [argument] = command.registeredArguments
  return {
    name: command.name(),
    description: command.description(),
    flags: flags.map(option => ({ long: option.long!, short: option.short ?? undefined, description: option.description, values: option.argChoices ?? [], takesFile: option.flags.includes('<file>'), takesValue: option.required })),
    choices: argument?.argChoices ?? [],
    names: /^(?:repository|reference|prefix)$/.test(argument?.name() ?? '')
  }
}

/** @throws Failure for a shell that is not known */
export function completionScript (shell: string, program: Command): string {
  const commands = program.commands.map(describe)
  const helped = commands.map(command => command.name === 'help' ? { ...command, choices: commands.map(({ name }) => name) } : command)
  switch (shell) {
    case 'bash': return bash(helped)
    case 'zsh': return zsh(helped)
    case 'fish': return fish(helped)
    default: throw new Failure(EXIT.usage, `no completion for ${shell}; there is one for bash, zsh and fish`)
  }
}

const words = ({ flags, choices }: Described, dash: boolean): string => (dash ? flags.flatMap(({ long, short }) => [long, ...(short === undefined ? [] : [short])]) : choices).join(' ')

/** Loaded with `source <(delgate completion bash)`. */
function bash (commands: readonly Described[]): string {
  const values = new Map(commands.flatMap(({ flags }) => flags.filter(flag => flag.values.length > 0).map(flag => [flag.long, flag.values.join(' ')])))
  const files = [...new Set(commands.flatMap(({ flags }) => flags.filter(flag => flag.takesFile).map(({ long }) => long)))]
  const free = [...new Set(commands.flatMap(({ flags }) => flags.filter(flag => flag.takesValue && flag.values.length === 0 && !flag.takesFile).flatMap(({ long, short }) => [long, ...(short === undefined ? [] : [short])])))]
  // Names do not go through `compgen -W`, which expands what a gate calls a repository: `$(…)` would be run.
  return `# bash completion for delgate: source <(delgate completion bash)
_delgate_repositories() {
  local name
  while IFS= read -r name; do
    case $name in *[^[:alnum:]._/-]*) ;; "$1"*) COMPREPLY+=("$name") ;; esac
  done < <(delgate ls --quiet "$1" 2>/dev/null </dev/null)
}
_delgate() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]}
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(' ')}" -- "$current"))
    return
  fi
  case $previous in
${[...values].map(([flag, choices]) => `    ${flag}) COMPREPLY=($(compgen -W "${choices}" -- "$current")); return ;;`).join('\n')}
    ${files.join('|')}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    ${free.join('|')}) return ;;
  esac
  case $command in
${commands.map(command => `    ${command.name})
      case $current in
        -*) COMPREPLY=($(compgen -W "${words(command, true)}" -- "$current")) ;;
        *) ${command.names ? '_delgate_repositories "$current"' : `COMPREPLY=($(compgen -W "${words(command, false)}" -- "$current"))`} ;;
      esac ;;`).join('\n')}
  esac
}
complete -F _delgate delgate
`
}

const quoted = (text: string): string => `'${text.replaceAll('\'', '\'\\\'\'')}'`
const bracketed = (text: string): string => text.replaceAll(/[[\]:\\]/g, '\\$&')

/** A file `_delgate` in a directory of `fpath`, or loaded with `source <(delgate completion zsh)`. */
function zsh (commands: readonly Described[]): string {
  const option = ({ long, description, values, takesFile, takesValue }: Described['flags'][number]): string =>
    quoted(`${long}[${bracketed(description)}]${!takesValue ? '' : `:value:${values.length > 0 ? `(${values.join(' ')})` : takesFile ? '_files' : ''}`}`)
  const rest = ({ names, choices }: Described): string => names ? '\'*:repository:_delgate_repositories\'' : choices.length > 0 ? quoted(`1:what:(${choices.join(' ')})`) : '\'*: :\''
  return `#compdef delgate
# zsh completion for delgate: source <(delgate completion zsh)
_delgate_repositories() {
  local -a names
  names=(\${(f)"$(delgate ls --quiet "$PREFIX" 2>/dev/null </dev/null)"})
  compadd -a names
}
_delgate() {
  local -a commands
  commands=(
${commands.map(({ name, description }) => `    ${quoted(`${name}:${bracketed(description)}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${commands.map(command => `    ${command.name}) _arguments ${[...command.flags.map(option), rest(command)].join(' ')} ;;`).join('\n')}
  esac
}
if [ "$funcstack[1]" = _delgate ]; then _delgate "$@"; else compdef _delgate delgate; fi
`
}

/** A file in `~/.config/fish/completions`, or loaded with `delgate completion fish | source`. */
function fish (commands: readonly Described[]): string {
  const flag = (command: string, { long, short, description, values, takesFile, takesValue }: Described['flags'][number]): string => [
    `complete -c delgate -n '__fish_seen_subcommand_from ${command}' -l ${long.slice(2)}`,
    ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
    ...(takesValue ? ['-r'] : []),
    ...(values.length > 0 ? [`-a ${quoted(values.join(' '))}`] : []),
    ...(takesFile ? ['-F'] : []),
    `-d ${quoted(description)}`
  ].join(' ')
  const rest = ({ name, names, choices }: Described): string[] => names
    ? [`complete -c delgate -n '__fish_seen_subcommand_from ${name}' -a '(delgate ls --quiet (commandline -ct) 2>/dev/null </dev/null)'`]
    : choices.length > 0 ? [`complete -c delgate -n '__fish_seen_subcommand_from ${name}' -a ${quoted(choices.join(' '))}`] : []
  return `# fish completion for delgate: delgate completion fish | source
complete -c delgate -f
${commands.map(({ name, description }) => `complete -c delgate -n __fish_use_subcommand -a ${name} -d ${quoted(description)}`).join('\n')}
${commands.flatMap(command => [...command.flags.map(one => flag(command.name, one)), ...rest(command)]).join('\n')}
`
}
