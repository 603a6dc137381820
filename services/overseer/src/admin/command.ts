// `overseer admin`: the page alone, beside running overseers or without one.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { ConfigError, listenAddress, type ServiceCommands, say } from '@cuckoo-distributed/core'
import { isLoopback, type OverseerConfig } from '../config.js'
import { textIn } from '../dumps/select.js'
import { openAdmin } from './server.js'

const USUAL_PORT = '9120'

export const adminCommand: ServiceCommands<OverseerConfig>[number] = {
  usage: 'admin',
  summary:
    "Serves the operators' page: the pipeline at a glance, samples, dumps. Works with or without a running overseer.",
  options: {
    listen: {
      type: 'string',
      default: USUAL_PORT,
      requiresArg: true,
      describe: '`HOST:PORT` on loopback, or a port on 127.0.0.1; 0: any free port',
    },
    'read-only': { type: 'boolean', describe: 'Read-only: nothing can be changed' },
  },
  async run(config, dependencies, args) {
    const listen = textIn(args, 'listen') ?? USUAL_PORT
    if (!/^([^\s/@]+:)?\d{1,5}$/.test(listen) || !isLoopback(listen)) {
      throw new ConfigError('arguments', [`--listen ${listen}: a port, or an address of loopback and a port`])
    }
    const token = config.AdminToken || randomBytes(24).toString('base64url')
    await using admin = await openAdmin({
      ...dependencies,
      config,
      listen: { ...listenAddress(listen), key: '--listen' },
      token,
      isReadOnly: args['read-only'] === true,
    })
    // Of an address that browsers send nowhere.
    say(config.AdminToken === '' ? `${admin.url}#token=${token}` : `${admin.url} (with the token in AdminToken)`)
    if (!dependencies.stop.aborted) await once(dependencies.stop, 'abort')
    return 0
  },
}
