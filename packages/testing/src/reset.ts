// Resets connections as a crash of the other side would.
import type { Socket } from 'node:net'

/**
 * Resets a connection. One whose end is on its way already is only destroyed: Node.js would refuse the reset, keep the handle, and
 * never come to the end of the process (`libuv/libuv:src/unix/tcp.c`, `uv_tcp_close_reset`).
 */
export function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}
