/** Starts and ends registries as child processes; each is noted in a file while it runs. */
import { endChild, startChild } from './child.js'
import type { Child } from './child.js'
import { reasonIn, waitListening } from './listening.js'
import type { PidFile } from './pid-file.js'
import { SetupError } from './port.js'
import type { ControllerLog } from './port.js'
import { freePort } from './process-setup.js'

/** How many ports a start tries: another program may take one just before the registry does. */
const PORT_ATTEMPTS = 5
/** How long a registry that has not begun to serve may take to end, before SIGKILL. Seconds. */
const UNSERVING_GRACE_SECONDS = 1

/** A registry that was started and has not been ended. */
export interface Running {
  readonly child: Child
  /** Port of 127.0.0.1. */
  readonly port: number
  readonly pidFile: PidFile
}

export interface LaunchOptions {
  readonly binary: string
  readonly config: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly readyTimeoutSeconds: number
  readonly stopTimeoutSeconds: number
}

export class Launcher {
  constructor (private readonly options: LaunchOptions, private readonly log: ControllerLog) {}

  /** @throws Error of the operating system when the program cannot be started */
  async launch (port: number, pidFile: PidFile): Promise<Running> {
    const { binary, config, environment } = this.options
    const child = await startChild([binary, 'serve', config], {
      env: { ...environment, REGISTRY_HTTP_ADDR: `127.0.0.1:${port}` },
      onSpawn: pid => { noteProcess(pidFile, pid, this.log) }
    })
    this.log.info({ pid: child.pid, url: `http://127.0.0.1:${port}` }, 'registry started')
    return { child, port, pidFile }
  }

  /**
   * Starts a registry on a free port and waits until it accepts connections; one that does not is ended again.
   * @throws SetupError with what it said, or Error when `signal` aborts
   */
  async launchListening (pidFile: PidFile, signal: AbortSignal): Promise<Running> {
    const { binary, config, readyTimeoutSeconds, stopTimeoutSeconds } = this.options
    for (let attempt = 1; ; attempt++) {
      const running = await this.launch(await freePort() ?? 0, pidFile)
      if (await waitListening(running.child, running.port, readyTimeoutSeconds, signal)) return running
      const output = running.child.output.toString()
      await endChild(running.child, Math.min(stopTimeoutSeconds, UNSERVING_GRACE_SECONDS))
      pidFile.clear()
      if (signal.aborted) throw new Error('stopped while the registry was starting')
      const isPortTaken = /address already in use/.test(output)
      if (!isPortTaken || attempt === PORT_ATTEMPTS) throw new SetupError(`the registry (${binary} serve ${config}) did not start: ${reasonIn(output)}`)
    }
  }

  /** Ends a registry; it may finish its requests, unless it takes too long or `hurry` aborts. */
  async end ({ child, pidFile }: Running, hurry?: AbortSignal): Promise<void> {
    const itself = await endChild(child, this.options.stopTimeoutSeconds, hurry)
    if (!itself) this.log.warn({ pid: child.pid }, 'registry did not stop in time and was killed')
    pidFile.clear()
  }
}

/** A full disk must not keep a program from running. */
export function noteProcess (file: PidFile, pid: number, log: ControllerLog): void {
  try {
    file.write(pid)
  } catch (error) {
    log.warn({ err: error, pid }, 'process id could not be written: after a crash of Delgate this process would be left running')
  }
}
