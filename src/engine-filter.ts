#!/usr/bin/env node
/**
 * Stands between Delgate and the socket of a Docker Engine, for `registry.controller: docker`: whoever has that socket is
 * root on the machine, and Delgate needs a handful of calls about one container. Run it beside Delgate, with the engine's
 * socket mounted in it alone: docker-compose.docker.yml.
 */
import { chmod, rm } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { createFilter } from './engine-filter/filter.js'
import { DEFAULT_CONFIG_PATHS } from './registry/container.js'
import { DEFAULT_SOCKET } from './registry/engine.js'

const HELP = `Usage: node dist/engine-filter.js --container NAME --listen PATH [options]

Lets through to a Docker Engine what Delgate needs of it, about one container: inspect, read its registry's
configuration, registry garbage-collect, restart.

  --container NAME  name of the registry's container
  --listen PATH     socket to make, for registry.docker.socket
  --engine PATH     the engine's socket. Default: ${DEFAULT_SOCKET}
  --config PATH     the registry's configuration in its container; may be given several times.
                    Default: the two places of the official images
  --no-exec         no garbage-collect: enough with collection.collector online
  --help            this text
`

async function main (): Promise<void> {
  const { values } = parseArgs({
    options: {
      container: { type: 'string' },
      listen: { type: 'string' },
      engine: { type: 'string', default: DEFAULT_SOCKET },
      config: { type: 'string', multiple: true, default: [...DEFAULT_CONFIG_PATHS] },
      'no-exec': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  const { container, listen, engine, config: configs, 'no-exec': noExec, help } = values
  if (help) {
    process.stdout.write(HELP)
    return
  }
  if (container === undefined || listen === undefined) throw new Error('--container and --listen are needed; --help says more')
  const onRefused = (method: string, target: string): void => { process.stdout.write(`${JSON.stringify({ refused: method, target: target.slice(0, 200) })}\n`) }
  const server = createFilter({ container, engine, configs, mayCollect: !noExec, onRefused })
  // What an earlier run left.
  await rm(listen, { force: true })
  await new Promise<void>((resolve, reject) => { server.once('error', reject).listen(listen, resolve) })
  // Whoever may see the directory that it is in may use it.
  await chmod(listen, 0o666)
  process.stdout.write(`Lets through to ${engine} what Delgate needs about the container ${container}\n`)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      server.close()
      server.closeAllConnections()
    })
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`engine-filter: ${(error as Error).message}\n`)
  process.exitCode = 1
})
