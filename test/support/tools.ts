/**
 * The programs that the tests need. A missing one makes its tests skip with a message that says what to install;
 * with `CI` set to `true` it is an error, since in CI nothing may be skipped.
 */
import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import type { Test } from 'tap'

/** A program that was found. */
export interface Tool {
  readonly name: string
  readonly path: string
}

/** A registry's program, of a known release line. */
export interface RegistryTool extends Tool {
  readonly version: '2.8' | '3.1'
}

interface Wanted {
  readonly environment: string
  readonly names: readonly string[]
  /** Arguments that print the version, and what the output must hold. */
  readonly version?: { readonly args: readonly string[], readonly pattern: RegExp }
  readonly install: string
}

const WANTED = {
  'registry 2.8': {
    environment: 'TEST_DELGATE_REGISTRY_2',
    names: ['docker-registry', 'registry2', 'registry'],
    version: { args: ['--version'], pattern: /\sv?2\.8\./ },
    install: 'the Debian package docker-registry'
  },
  'registry 3.1': {
    environment: 'TEST_DELGATE_REGISTRY_3',
    names: ['registry', 'registry3'],
    version: { args: ['--version'], pattern: /\sv?3\.1\./ },
    install: 'go install github.com/distribution/distribution/v3/cmd/registry@v3.1.1'
  },
  skopeo: { environment: 'TEST_DELGATE_SKOPEO', names: ['skopeo'], install: 'the Debian package skopeo' },
  crane: { environment: 'TEST_DELGATE_CRANE', names: ['crane'], install: 'go install github.com/google/go-containerregistry/cmd/crane@latest' },
  curl: { environment: 'TEST_DELGATE_CURL', names: ['curl'], install: 'the Debian package curl' },
  'redis-server': { environment: 'TEST_DELGATE_REDIS', names: ['redis-server'], install: 'the Debian package redis-server' },
  openssl: { environment: 'TEST_DELGATE_OPENSSL', names: ['openssl'], install: 'the Debian package openssl' },
  nginx: { environment: 'TEST_DELGATE_NGINX', names: ['nginx'], install: 'the Debian package nginx' },
  caddy: { environment: 'TEST_DELGATE_CADDY', names: ['caddy'], install: 'the Debian package caddy' },
  'systemd-analyze': { environment: 'TEST_DELGATE_SYSTEMD_ANALYZE', names: ['systemd-analyze'], install: 'the Debian package systemd' }
} as const satisfies Record<string, Wanted>

export type ToolName = keyof typeof WANTED

const found = new Map<ToolName, Tool | undefined>()

/** Looks a program up: its variable, PATH, `.cache/bin`, Go's `bin`, `/usr/sbin`. `undefined` when there is none. */
export function findTool (name: ToolName): Tool | undefined {
  if (!found.has(name)) found.set(name, lookUp(name))
  return found.get(name)
}

function lookUp (name: ToolName): Tool | undefined {
  const wanted: Wanted = WANTED[name]
  const given = process.env[wanted.environment]
  const candidates = given !== undefined && given !== ''
    ? [resolve(given)]
    : wanted.names.flatMap((program) => directories().map((directory) => join(directory, program)))
  const path = candidates.find((candidate) => isExecutable(candidate) && hasVersion(candidate, wanted))
  return path === undefined ? undefined : { name, path }
}

function directories (): string[] {
  const path = (process.env.PATH ?? '').split(delimiter).filter((directory) => directory !== '')
  return [...path, resolve('.cache/bin'), join(goPath(), 'bin'), '/usr/sbin']
}

let cachedGoPath: string | undefined

function goPath (): string {
  if (cachedGoPath === undefined) {
    try {
      cachedGoPath = execFileSync('go', ['env', 'GOPATH'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    } catch {
      cachedGoPath = join(homedir(), 'go')
    }
  }
  return cachedGoPath
}

function isExecutable (path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function hasVersion (path: string, { version }: Wanted): boolean {
  if (version === undefined) return true
  try {
    return version.pattern.test(execFileSync(path, [...version.args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 10_000 }))
  } catch {
    return false
  }
}

/** Why a test that needs these programs cannot run, or `false`. Throws in CI. */
export function skipWithout (...names: ToolName[]): string | false {
  const missing = names.filter((name) => findTool(name) === undefined)
  if (missing.length === 0) return false
  const message = missing.map((name) => `${name} is missing: install ${WANTED[name].install}, or set ${WANTED[name].environment}`).join('; ')
  if (process.env.CI === 'true') throw new Error(`nothing may be skipped in CI: ${message}`)
  return message
}

/** A program that `skipWithout` has checked. */
export function tool (name: ToolName): Tool {
  const result = findTool(name)
  if (result === undefined) throw new Error(`${name} is missing`)
  return result
}

/** Runs a test against each release line of the registry; `needs` names further programs. */
export async function eachRegistry (
  t: Test,
  title: string,
  run: (t: Test, registry: RegistryTool) => Promise<void>,
  needs: readonly ToolName[] = []
): Promise<void> {
  for (const version of ['2.8', '3.1'] as const) {
    const name = `registry ${version}` as const
    const skip = skipWithout(name, ...needs)
    await t.test(`${title} [${name}]`, { skip }, async (t) => {
      await run(t, { ...tool(name), version })
    })
  }
}
