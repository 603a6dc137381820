/** What sandboxes have an administrator told, as lines of a log. */
import type { CuckooServersOptions } from './servers.js'

interface Log {
  info(details: object, text: string): void
  warn(details: object, text: string): void
}

export function sandboxNotices(log: Log): Pick<CuckooServersOptions, 'onKind' | 'onNotice'> {
  return {
    onKind: (url, sandbox, version) => log.info({ url, sandbox, version }, 'detected the kind of sandbox'),
    onNotice: text => log.warn({}, text),
  }
}
