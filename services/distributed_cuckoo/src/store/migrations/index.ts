/** The numbered changes of the database, applied in this order, each once. */
import type { Kysely, Migration } from 'kysely'
import { initial } from './001-initial.js'
import { missingReports } from './002-missing-reports.js'
import { directories } from './003-directories.js'
import { lease } from './004-lease.js'
import { operators } from './005-operators.js'
import { kind } from './006-kind.js'
import type { Dialect } from './columns.js'

export function migrations(dialect: Dialect): Record<string, Migration> {
  return {
    '001-initial': { up: (db: Kysely<unknown>) => initial(db, dialect) },
    '002-missing-reports': { up: missingReports },
    '003-directories': { up: directories },
    '004-lease': { up: (db: Kysely<unknown>) => lease(db, dialect) },
    '005-operators': { up: operators },
    '006-kind': { up: kind },
  }
}
