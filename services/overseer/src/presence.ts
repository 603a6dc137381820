// Who is at work in a dump directory: a socket in it that the kernel closes with its process, whatever container that runs in.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { describeError, errorCode, ServiceError, toError } from '@cuckoo-distributed/core'

const PREFIX = '.resubmitter-'

/** Bytes of a socket's path, the closing zero left out, on Linux 107 and on macOS 103; Node cuts longer ones off. */
const PATH_BYTES_MAX = 103

/** There can be no socket in `DumpDir`. */
export class DumpDirSocketError extends ServiceError {
  constructor(problem: string, options?: ErrorOptions) {
    const help = 'it must be a directory on a local file system that this user may write to'
    super(
      'DUMP_DIR_SOCKET',
      `there can be no socket in "DumpDir" (${problem}): ${help}, with a path of at most 77 bytes`,
      options,
    )
  }
}

/** A process that works in a directory; others see it until it is disposed of or the process has ended, however it did. */
export class Presence implements AsyncDisposable {
  /** Letters and digits. */
  readonly id: string
  readonly #server: Server

  private constructor(id: string, server: Server) {
    this.id = id
    this.#server = server
  }

  /** Throws DumpDirSocketError. */
  static async announce(dir: string): Promise<Presence> {
    const id = randomBytes(6).toString('hex')
    const path = socketPath(dir, id)
    if (!fitsSocket(path)) throw new DumpDirSocketError('its path is too long')
    const server = createServer(visitor => visitor.destroy())
    server.listen(path)
    try {
      await once(server, 'listening')
    } catch (cause: unknown) {
      throw new DumpDirSocketError(describeError(cause), { cause })
    }
    return new Presence(id, server)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** True unless the process surely has ended: a socket that this user may not touch is somebody's. */
export async function isPresent(dir: string, id: string): Promise<boolean> {
  const path = socketPath(dir, id)
  if (!fitsSocket(path)) return false
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch (error: unknown) {
    return !['ENOENT', 'ECONNREFUSED'].includes(errorCode(toError(error)))
  } finally {
    socket.destroy()
  }
}

/** The id in the name of a socket. */
export function presenceId(file: string): string | undefined {
  return file.startsWith(PREFIX) ? file.slice(PREFIX.length) : undefined
}

function socketPath(dir: string, id: string): string {
  return join(dir, `${PREFIX}${id}`)
}

function fitsSocket(path: string): boolean {
  return Buffer.byteLength(path) <= PATH_BYTES_MAX
}
