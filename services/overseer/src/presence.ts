// Who is at work in a dump directory: a socket in it that the kernel closes with its process, whatever container that runs in.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { errorCode, ServiceError, toError } from '@cuckoo-distributed/core'

const PREFIX = '.resubmitter-'

/** Bytes of a socket's path, the closing zero left out, on Linux 107 and on macOS 103; Node cuts longer ones off. */
const PATH_BYTES_MAX = 103

/** `DumpDir` is too long for a socket in it. */
export class DumpDirTooLongError extends ServiceError {
  constructor(excess: number) {
    super(
      'DUMP_DIR_TOO_LONG',
      `the path of "DumpDir" is ${excess} bytes too long for a socket in it: use a shorter one`,
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

  /** Throws DumpDirTooLongError and the errors of the file system. */
  static async announce(dir: string): Promise<Presence> {
    const id = randomBytes(6).toString('hex')
    const path = socketPath(dir, id)
    const excess = Buffer.byteLength(path) - PATH_BYTES_MAX
    if (excess > 0) throw new DumpDirTooLongError(excess)
    const server = createServer(visitor => visitor.destroy())
    server.listen(path)
    await once(server, 'listening')
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
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) return false
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
