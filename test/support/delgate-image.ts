/**
 * Delgate's image in a few seconds: the last stage of the Dockerfile, with what its other stages make taken from here.
 * The whole Dockerfile is tried by test/docker/compose.test.ts.
 */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { nodeImage, type TestEngine } from './docker.js'
import { mustRun } from './processes.js'
import { put } from './docs.js'
import { temporaryDirectory } from './temporary.js'

/** Builds it under this name; it goes when the test ends. */
export async function delgateImage (t: Test, engine: TestEngine, name: string): Promise<void> {
  const base = `${name}-node`
  await nodeImage(t, engine, base)
  const directory = await temporaryDirectory(t)
  const stage = (await readFile('Dockerfile', 'utf8')).split(/^(?=FROM )/m).at(-1)!
  await writeFile(join(directory, 'Dockerfile'), ['dependencies', 'build'].reduce((text, other) => put(text, `--from=${other} /delgate/`, ''), put(stage, /^FROM .*/, `FROM ${base}`)))
  for (const path of ['package.json', 'dist', 'config', 'docs/openapi.yaml', ...await production()]) await copy(path, directory)
  t.teardown(() => engine.tryDocker('rmi', '--force', name))
  await mustRun('docker', ['build', '--quiet', '--tag', name, directory], { env: { DOCKER_HOST: engine.host } })
}

async function copy (path: string, directory: string): Promise<void> {
  await mkdir(join(directory, path, '..'), { recursive: true })
  await cp(path, join(directory, path), { recursive: true })
}

/** The packages that `npm ci --omit=dev` installs. */
async function production (): Promise<string[]> {
  const { packages } = JSON.parse(await readFile('package-lock.json', 'utf8')) as { packages: Record<string, { dev?: boolean, optional?: boolean }> }
  return Object.entries(packages).filter(([path, { dev, optional }]) => path !== '' && dev !== true && optional !== true).map(([path]) => path)
}
