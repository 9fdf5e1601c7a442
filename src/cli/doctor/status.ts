/** What the gate's status says about what goes on in it. Pure. */
import { ok, problem, warning, type Finding } from '../../findings/finding.js'
import type { Status } from '../answers.js'
import { count } from '../words.js'

const CONTROLLERS: Readonly<Record<string, string>> = {
  process: 'Delgate runs it itself',
  docker: 'it runs in a container, which Delgate has found',
  command: 'Delgate restarts it by a command',
  none: 'Delgate has no right over it, and needs none'
}

/** Who runs the registry, and whether the gate serves. */
export function servingFindings ({ registry, hold, index }: Status): Finding[] {
  return [
    ok('registry', CONTROLLERS[registry.controller] ?? `controller ${registry.controller}`),
    ...(hold.problem === undefined ? [] : [problem('registry', `requests are held: ${hold.problem}`, 'docs/operations.md says what to do when the registry does not come back')]),
    index.complete ? ok('index', `complete, ${count(index.repositories, 'repository')}`) : warning('index', 'Delgate still reads what is stored: deletions are accepted, nothing is swept yet', 'wait; its log says when it is done, or names the file that cannot be read')
  ]
}

/** Jobs, the audit log, and those who are told of deletions. */
export function recordFindings ({ jobs, audit, notifications = [], trash }: Status): Finding[] {
  const failed = jobs['failed'] ?? 0
  return [
    failed > 0 ? warning('jobs', `${count(failed, 'job')} failed`, 'delgate jobs --state failed, and docs/operations.md') : ok('jobs', 'none failed'),
    audit.problem === undefined ? ok('audit', 'decisions are written down') : problem('audit', `decisions cannot be written down: ${audit.problem}`, 'make room, or mend the rights of audit.file'),
    ...notifications.filter(({ problem }) => problem !== undefined).map(({ name, problem: reason }) => warning('notifications', `${name} does not take them: ${reason}`, 'see whether its url and secret are right')),
    ...(trash.jobs > 0 ? [ok('trash', `${count(trash.jobs, 'job')} can be undone`)] : [])
  ]
}
