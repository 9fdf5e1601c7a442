/**
 * A deletion that empties a repository while a push makes something in it. Forced: the push is at the registry when the
 * deletion takes its turn, and is answered after the deletion has planned, while it writes its journal.
 */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.js'
import type { RepositoryName, Tag } from '../../src/oci/name.js'
import type { Plan } from '../../src/deletion/plan.js'
import { Deleter } from '../../src/jobs/deleter.js'
import { CallerCredentials } from '../../src/jobs/credentials.js'
import { newJob, type Job } from '../../src/jobs/job.js'
import type { JobRunner } from '../../src/jobs/runner.js'
import { JobStore } from '../../src/jobs/store.js'
import * as paths from '../../src/storage/paths.js'
import { TreeReader } from '../../src/storage/read.js'
import { Protection } from '../../src/protection/protection.js'
import { RepositoryStates } from '../../src/storage/states.js'
import { TreeWriter } from '../../src/storage/write.js'
import { RepositoryLocks } from '../../src/traffic/locks.js'
import { Reads } from '../../src/traffic/reads.js'
import { Sessions } from '../../src/traffic/sessions.js'
import { Tombstones } from '../../src/traffic/tombstones.js'
import { NO_TRASH } from '../support/no-trash.js'

const app = 'team/app' as RepositoryName
const manifest = `sha256:${'a'.repeat(64)}` as Digest
const config = `sha256:${'c'.repeat(64)}` as Digest
const pushed = `sha256:${'b'.repeat(64)}` as Digest

async function write (root: string, path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), text)
}

function deleterOf (root: string, store: JobStore, sessions: Sessions, tells = false): Deleter {
  const runner = { notify: () => {} } as unknown as JobRunner
  const reader = new TreeReader(root)
  return new Deleter({
    reader,
    states: new RepositoryStates(reader),
    writer: new TreeWriter(root),
    anchor: { check: async () => {} },
    protection: new Protection([]),
    trash: NO_TRASH,
    keepUntil: () => undefined,
    locks: new RepositoryLocks(),
    sessions,
    reads: new Reads(),
    tombstones: new Tombstones((repository, digest) => sessions.leased(repository, digest)),
    store,
    runner,
    planOptions: () => ({ referrers: 'purge', leased: digest => sessions.leased(app, digest), pushed: digest => sessions.leased(app, digest), uploading: upload => sessions.isUploading(app, upload.id), idleBefore: 0, staleBefore: 0 }),
    credentials: new CallerCredentials(),
    tells,
    rehearse: async () => { throw new Error('not asked for') },
    log: { error: () => {} }
  })
}

t.test('what a push makes while the deletion is on its way stays', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'delgate-deleter-'))
  t.teardown(async () => { await rm(directory, { recursive: true }) })
  const root = join(directory, 'tree')
  await write(root, paths.blobData(manifest), JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: { digest: config }, layers: [] }))
  await write(root, paths.revisionLink(app, manifest), manifest)
  await write(root, paths.layerLink(app, config), config)
  await write(root, paths.tagCurrentLink(app, 'v1' as Tag), manifest)
  const sessions = new Sessions(60)
  const store = await JobStore.open(join(directory, 'jobs'), { keepDays: 1, keepMaximum: 10 }, () => {})
  const endOfPush = sessions.begin(app, 'docker')
  const save = store.save.bind(store)
  let answered = false
  store.save = async (job: Job) => {
    if (!answered) {
      // The registry links a mounted layer and opens an upload, and answers.
      answered = true
      await write(root, paths.layerLink(app, pushed), pushed)
      await write(root, join(paths.uploadsDirectory(app), 'an-upload', 'startedat'), 'now')
      sessions.lease(app, 'docker', pushed)
      sessions.uploadOpened(app, 'docker', 'an-upload')
      endOfPush()
    }
    await save(job)
  }
  const deleter = deleterOf(root, store, sessions)
  const accepted = await deleter.accept({ type: 'tag', repository: app, tag: 'v1' as Tag }, [app])
  t.equal(accepted.outcome, 'accepted')
  t.ok(answered, 'the push was answered in between')
  const state = await new TreeReader(root).repository(app)
  t.equal(state.tags.size, 0)
  t.same([...state.layers.keys()], [pushed], 'its layer is linked')
  t.same(await readdir(join(root, paths.uploadsDirectory(app))), ['an-upload'], 'its upload goes on')
})

t.test('directories whose link an interrupted removal had taken go with the next start', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'delgate-deleter-'))
  t.teardown(async () => { await rm(directory, { recursive: true }) })
  const root = join(directory, 'tree')
  await write(root, paths.layerLink(app, config), config)
  await write(root, paths.revisionLink(app, pushed), pushed)
  for (const path of [paths.layerDirectory(app, manifest), paths.revisionDirectory(app, manifest)]) await mkdir(join(root, path), { recursive: true })
  const store = await JobStore.open(join(directory, 'jobs'), { keepDays: 1, keepMaximum: 10 }, () => {})
  const plan: Plan = { repository: app, tags: [], manifests: [manifest], history: [], layers: [manifest], kept: [], candidates: [], empties: false, blind: false, warnings: [] }
  await store.save(newJob('delete', { type: 'manifest', repository: app, digest: manifest }, [plan]))
  await deleterOf(root, store, new Sessions(60)).recover()
  t.same(await readdir(join(root, paths.layersDirectory(app), 'sha256')), [config.slice(7)])
  t.same(await readdir(join(root, paths.revisionsDirectory(app), 'sha256')), [pushed.slice(7)])
})

t.test('a job is marked until others have been told, where there is anybody', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'delgate-deleter-'))
  t.teardown(async () => { await rm(directory, { recursive: true }) })
  const store = await JobStore.open(join(directory, 'jobs'), { keepDays: 1, keepMaximum: 10 }, () => {})
  for (const tells of [true, false]) {
    const { id } = await deleterOf(join(directory, 'tree'), store, new Sessions(60), tells).collect({ type: 'garbage' })
    t.equal(store.get(id)!.untold === true, tells)
  }
})
