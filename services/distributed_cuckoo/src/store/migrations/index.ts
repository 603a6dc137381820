/** The numbered changes of the database, applied in this order, each once. */
import type { Kysely, Migration } from 'kysely'
import { initial } from './001-initial.js'
import { missingReports } from './002-missing-reports.js'
import { directories } from './003-directories.js'
import { lease } from './004-lease.js'
import { operators } from './005-operators.js'
import { kind } from './006-kind.js'
import { laterApi } from './007-later-api.js'
import { million } from './008-million.js'
import { nodeLimit } from './009-node-limit.js'
import { running } from './010-running.js'
import { fillMinutes, minutes } from './011-minutes.js'
import { liveMinutes } from './013-live-minutes.js'
import type { Dialect } from './columns.js'
import { briefly } from './online.js'

/** Each begins and ends transactions of its own: indexes of a table that is in use are made outside of any. */
export function migrations(dialect: Dialect): Record<string, Migration> {
  const whole = (change: (db: Kysely<unknown>, dialect: Dialect) => Promise<void>): Migration => ({
    up: db => briefly(db, dialect, tx => change(tx, dialect)),
  })
  return {
    '001-initial': whole(initial),
    '002-missing-reports': whole(missingReports),
    '003-directories': whole(directories),
    '004-lease': whole(lease),
    '005-operators': whole(operators),
    '006-kind': whole(kind),
    '007-later-api': whole(laterApi),
    '008-million': { up: (db: Kysely<unknown>) => million(db, dialect) },
    '009-node-limit': whole(nodeLimit),
    '010-running': whole(running),
    '011-minutes': whole(minutes),
    '012-fill-minutes': { up: (db: Kysely<unknown>) => fillMinutes(db, dialect) },
    '013-live-minutes': { up: (db: Kysely<unknown>) => liveMinutes(db, dialect) },
  }
}
